"""Every key format and access pattern of the one table, on one page.

Keys are built from ids that hold no `#`, so no two can run together. Every key starts with its tenant, but for:
  1. `KEY#{sha256}`      an API key is looked up before its tenant is known;
  2. `TENANTS`           the registry that schedules walk;
  3. index `sweep`       drops being read, open runs, versions, evaluations, unrelayed events, across tenants (sparse);
  4. `REFUSED_DROPS`     files whose path names no tenant that exists, for operators to read;
  5. `PROVIDERS`         the providers that the stage's operator added;
  6. `JOBS#{provider}`   a run is looked up by its job, as that is all that a provider's webhook or event names;
  7. `SHUTDOWNS`         the ends of models that providers have announced.
The index `by_time` lists a tenant's things newest first; its partition starts with the tenant too.

| access pattern                              | by                                              |
|---------------------------------------------|-------------------------------------------------|
| a key by its hash; all tenants              | KEY#{hash} / KEY; TENANTS / {tenant}            |
| a provider; all of them                     | PROVIDERS / {name}                              |
| what a provider shuts down; all of them     | SHUTDOWNS / {provider}                          |
| a tenant's keys                             | T#{t}#KEYS / {key id}                           |
| a tenant's datasets, one dataset            | T#{t}#DATASETS / {dataset}                      |
| its datasets named like a file that are none | T#{t}#LIKE_FILES / {dataset}, #ALL              |
| a dataset's segments by revision            | T#{t}#DATASET#{d}#SEGMENTS / {sha256}           |
| a segment that was merged into others       | T#{t}#DATASET#{d}#MERGED / {sha256}             |
| a dataset's generations                     | T#{t}#DATASET#{d}#GENERATIONS / {number}        |
| an erasure; a tenant's; all open ones       | T#{t}#ERASURES / {erasure}; by_time; sweep      |
| what a tenant has erased, in order          | T#{t}#ERASED / {number}                         |
| a drop; a dataset's, newest first; all read | T#{t}#DATASET#{d}#DROPS / {drop}; by_time; sweep |
| a file of OpenAI's wire; a tenant's by time | T#{t}#FILES / {file}; by_time                   |
| files that are nobody's drop                | REFUSED_DROPS / {digest of key and version}     |
| a dataset's reviews in order                | T#{t}#DATASET#{d}#REVIEWS / {revision}#{part}   |
| votes on a prompt's right answer            | T#{t}#DATASET#{d}#VOTES / {unit}#{voter}        |
| a dataset's latest statistics               | T#{t}#DATASET#{d}#STATISTICS / LATEST           |
| an export; a dataset's exports              | T#{t}#DATASET#{d}#EXPORTS / {export}; by_time   |
| a dataset's exports that made versions       | T#{t}#DATASET#{d}#TRAINED / {export}            |
| a run; a tenant's runs; all open runs       | T#{t}#RUNS / {run}; by_time; sweep OPEN_RUNS    |
| what was answered to a call for a run       | T#{t}#CALLS / {call}                            |
| a tenant's budget, what a month has cost    | T#{t}#SPENDING / BUDGET, {month}                |
| the run of a provider's job                 | JOBS#{provider} / {job id}                      |
| a tenant's models, one model                | T#{t}#MODELS / {model}                          |
| a model's versions, deployment, history     | T#{t}#MODEL#{m} / VERSION#, DEPLOYMENT, HISTORY#, DECISION# |
| all versions to be deployed or removed      | sweep OPEN_VERSIONS                             |
| an evaluation; a tenant's; all open ones    | T#{t}#EVALUATIONS / {e}; by_time; sweep         |
| the looks at a dataset's test rows          | T#{t}#DATASET#{d}#LOOKS / {number}              |
| usage counters of a model between days      | T#{t}#USAGE#{m} / {day}#{version}#{shard}       |
| a usage batch already counted               | T#{t}#BATCH#{batch} / BATCH                     |
| feedback on an inference                    | T#{t}#FEEDBACK#{inference} / FEEDBACK           |
| an event of an aggregate; all unrelayed     | T#{t}#EVENTS#{aggregate} / {seq}; sweep         |
"""

from datetime import datetime
from typing import NamedTuple

from tuneloop.domain.core.ids import digest

SWEEP = "sweep"
BY_TIME = "by_time"
# The partition and sort key of the table itself and of each index.
INDEX_KEYS = {None: ("pk", "sk"), SWEEP: ("sweep_pk", "sweep_sk"), BY_TIME: ("list_pk", "list_sk")}
TENANTS = "TENANTS"
PROVIDERS = "PROVIDERS"
SHUTDOWNS = "SHUTDOWNS"
OPEN_RUNS = "OPEN_RUNS"
OPEN_VERSIONS = "OPEN_VERSIONS"
OPEN_EVALUATIONS = "OPEN_EVALUATIONS"
UNRELAYED = "UNRELAYED"
READING = "READING"
OPEN_ERASURES = "OPEN_ERASURES"
REFUSED_DROPS = "REFUSED_DROPS"
LONGEST_JOB_ID = 1000  # bytes; DynamoDB's limit of a sort key is 1024 (read 2026-11)


class Key(NamedTuple):
    """A row's primary key."""

    pk: str
    sk: str


def api_key(key_hash: str) -> Key:
    """An API key by the SHA-256 of its secret."""
    return Key(f"KEY#{key_hash}", "KEY")


def tenant_key(tenant: str, key_id: str) -> Key:
    """An API key by its public id, for listing and revoking."""
    return Key(f"T#{tenant}#KEYS", key_id)


def tenant(tenant_id: str) -> Key:
    """A tenant in the registry."""
    return Key(TENANTS, tenant_id)


def provider(name: str) -> Key:
    """A provider that was added to the stage."""
    return Key(PROVIDERS, name)


def shutdowns(name: str) -> Key:
    """The ends of models that a provider has announced."""
    return Key(SHUTDOWNS, name)


def dataset(tenant_id: str, dataset_id: str) -> Key:
    """A dataset."""
    return Key(f"T#{tenant_id}#DATASETS", dataset_id)


def like_file(tenant_id: str, dataset_id: str) -> Key:
    """The note of a dataset whose name begins as a file's id does, or (`#ALL`) that every such dataset has its note."""
    return Key(f"T#{tenant_id}#LIKE_FILES", dataset_id)


def segment(tenant_id: str, dataset_id: str, sha256: str) -> Key:
    """A segment of a dataset, by the hash of its lines: equal content has an equal key."""
    return Key(f"T#{tenant_id}#DATASET#{dataset_id}#SEGMENTS", sha256)


def merged_segment(tenant_id: str, dataset_id: str, sha256: str) -> Key:
    """The mark of a segment whose lines lie in other segments now: its content still counts as added."""
    return Key(f"T#{tenant_id}#DATASET#{dataset_id}#MERGED", sha256)


def generation(tenant_id: str, dataset_id: str, number: int) -> Key:
    """A generation of a dataset, in order."""
    return Key(f"T#{tenant_id}#DATASET#{dataset_id}#GENERATIONS", f"{number:08d}")


def erasure(tenant_id: str, erasure_id: str) -> Key:
    """An erasure."""
    return Key(f"T#{tenant_id}#ERASURES", erasure_id)


def erasure_mark(tenant_id: str, number: int) -> Key:
    """The mark of what was erased, in order."""
    return Key(f"T#{tenant_id}#ERASED", f"{number:08d}")


def drop(tenant_id: str, dataset_id: str, drop_id: str) -> Key:
    """A drop on its way into a dataset."""
    return Key(f"T#{tenant_id}#DATASET#{dataset_id}#DROPS", drop_id)


def file(tenant_id: str, file_id: str) -> Key:
    """A file that was uploaded on OpenAI's wire."""
    return Key(f"T#{tenant_id}#FILES", file_id)


def refused_drop(drop_id: str) -> Key:
    """The note of a file that is nobody's drop."""
    return Key(REFUSED_DROPS, drop_id)


def review(tenant_id: str, dataset_id: str, revision: int, part: int) -> Key:
    """The decisions that made a revision, or a part of them, in order."""
    return Key(f"T#{tenant_id}#DATASET#{dataset_id}#REVIEWS", f"{revision:010d}#{part:03d}")


def vote(tenant_id: str, dataset_id: str, unit: str, voter: str) -> Key:
    """A voter's latest vote on the right answer to a prompt."""
    return Key(f"T#{tenant_id}#DATASET#{dataset_id}#VOTES", f"{unit}#{voter}")


def trained_export(tenant_id: str, dataset_id: str, export_id: str) -> Key:
    """The mark of an export that a version was trained on."""
    return Key(f"T#{tenant_id}#DATASET#{dataset_id}#TRAINED", export_id)


def validated_export(tenant_id: str, dataset_id: str, export_id: str) -> Key:
    """The mark of an export by which a version of another dataset was validated, beside the marks of its own."""
    return Key(f"T#{tenant_id}#DATASET#{dataset_id}#TRAINED", f"{export_id}#VALIDATED")


def statistics(tenant_id: str, dataset_id: str) -> Key:
    """A dataset's statistics as they were last counted."""
    return Key(f"T#{tenant_id}#DATASET#{dataset_id}#STATISTICS", "LATEST")


def export(tenant_id: str, dataset_id: str, export_id: str) -> Key:
    """A frozen version of a dataset."""
    return Key(f"T#{tenant_id}#DATASET#{dataset_id}#EXPORTS", export_id)


def run(tenant_id: str, run_id: str) -> Key:
    """A training run."""
    return Key(f"T#{tenant_id}#RUNS", run_id)


def run_call(tenant_id: str, call: str) -> Key:
    """The run that a call for one was answered with."""
    return Key(f"T#{tenant_id}#CALLS", call)


def job(provider_name: str, job_id: str) -> Key:
    """The run of a provider's job; an id that is longer than a key may be stands there as its hash."""
    return Key(f"JOBS#{provider_name}", job_id if len(job_id.encode()) <= LONGEST_JOB_ID else digest(job_id))


def budget(tenant_id: str) -> Key:
    """A tenant's monthly budget for training."""
    return Key(f"T#{tenant_id}#SPENDING", "BUDGET")


def spending(tenant_id: str, month: str) -> Key:
    """What a tenant's runs of a month (YYYY-MM) have cost and are reserved for."""
    return Key(f"T#{tenant_id}#SPENDING", month)


def model(tenant_id: str, model_id: str) -> Key:
    """A registered model."""
    return Key(f"T#{tenant_id}#MODELS", model_id)


def version(tenant_id: str, model_id: str, number: int) -> Key:
    """A version of a model."""
    return Key(f"T#{tenant_id}#MODEL#{model_id}", f"VERSION#{number:06d}")


def deployment(tenant_id: str, model_id: str) -> Key:
    """The deployment of a model."""
    return Key(f"T#{tenant_id}#MODEL#{model_id}", "DEPLOYMENT")


def history(tenant_id: str, model_id: str, seq: int) -> Key:
    """One decision about a model, in order."""
    return Key(f"T#{tenant_id}#MODEL#{model_id}", f"HISTORY#{seq:08d}")


def decision(tenant_id: str, model_id: str, cause: str) -> Key:
    """The mark that a decision about a model was made for a cause."""
    return Key(f"T#{tenant_id}#MODEL#{model_id}", f"DECISION#{cause}")


def evaluation(tenant_id: str, evaluation_id: str) -> Key:
    """An evaluation."""
    return Key(f"T#{tenant_id}#EVALUATIONS", evaluation_id)


def look(tenant_id: str, dataset_id: str, number: int) -> Key:
    """The mark of one look at a dataset's test rows, in order."""
    return Key(f"T#{tenant_id}#DATASET#{dataset_id}#LOOKS", f"{number:08d}")


def usage(tenant_id: str, model_id: str, day: str, number: int, shard: int) -> Key:
    """One shard of the counters of a version on a day (YYYY-MM-DD)."""
    return Key(f"T#{tenant_id}#USAGE#{model_id}", f"{day}#{number:06d}#{shard}")


def usage_batch(tenant_id: str, batch: str) -> Key:
    """The mark of a usage batch that was counted."""
    return Key(f"T#{tenant_id}#BATCH#{batch}", "BATCH")


def feedback(tenant_id: str, inference: str) -> Key:
    """The feedback on one inference."""
    return Key(f"T#{tenant_id}#FEEDBACK#{inference}", "FEEDBACK")


def event(tenant_id: str, aggregate: str, seq: int) -> Key:
    """The event that an aggregate's write number `seq` announces."""
    return Key(f"T#{tenant_id}#EVENTS#{aggregate}", f"{seq:08d}")


def by_time(partition: str, at: datetime, identity: str) -> dict[str, str]:
    """The attributes that put a row into the newest-first listing of its partition; rows of one time go by their id."""
    return {"list_pk": partition, "list_sk": f"{at.isoformat()}#{identity}"}


def swept(partition: str, at: datetime) -> dict[str, str]:
    """The attributes that put a row into a sweep, oldest first."""
    return {"sweep_pk": partition, "sweep_sk": at.isoformat()}
