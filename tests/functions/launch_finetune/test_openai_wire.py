"""OpenAI's own wire on our API: scripts for OpenAI's fine-tuning, by its unmodified SDK, against the real trainer."""

import json
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI, UnprocessableEntityError

from tests.examples import chat
from tests.functions import steps
from tests.functions.conftest import Later
from tests.functions.erasures import erase_subject, erasure, sweep_erasures
from tests.functions.openai_scripts import PROMPT, created, ended, jsonl, refusal, uploaded
from tests.functions.providers import CallCounter, ProviderProxy, jobs_of, stage_provider
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.domain.training.jobs import ProviderJob, TrainingFile
from tuneloop.domain.training.model_offers import Range


def test_a_script_for_openai_runs_from_upload_to_chat(live: World, client: OpenAI) -> None:
    file = client.files.create(file=("train.jsonl", jsonl(steps.support(300))), purpose="fine-tune")
    made = client.fine_tuning.jobs.create(
        training_file=file.id,
        model=steps.BASE_MODEL,
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
        suffix="Support bot",
        seed=7,
        metadata={"purpose": "test"},
    )

    assert (made.status, made.training_file, made.model) == ("validating_files", file.id, steps.BASE_MODEL)
    assert (made.fine_tuned_model, made.finished_at, made.error) == (None, None, None)
    assert made.hyperparameters.n_epochs == 2
    assert (made.seed, made.metadata) == (7, {"purpose": "test"})

    job = ended(live, client, made.id)
    assert (job.status, job.fine_tuned_model) == ("succeeded", "support-bot:1")
    assert job.trained_tokens > 0
    assert job.finished_at >= job.created_at
    assert steps.look(live, job.id)["status"] == "succeeded"

    events = list(client.fine_tuning.jobs.list_events(job.id, limit=50))
    assert events[0].message == "New fine-tuned model created: support-bot:1"
    assert events[1].message == "The job has successfully completed"
    assert events[-1].message == f"Created fine-tuning job: {job.id}"
    assert [event for event in events if event.type == "metrics" and event.data]

    checkpoints = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert [checkpoint.fine_tuning_job_id for checkpoint in checkpoints] == [job.id, job.id]
    assert checkpoints[0].step_number > checkpoints[1].step_number

    answer = client.chat.completions.create(
        model=job.fine_tuned_model, messages=steps.support(1)[0]["messages"][:-1], user="user-1"
    )
    assert answer.choices[0].message.content
    assert client.models.retrieve(job.fine_tuned_model).id == "support-bot:1"
    assert client.models.retrieve("support-bot").id == "support-bot"
    [row] = steps.usage(live)
    assert (row["model"], row["version"], row["calls"]) == ("support-bot", 1, 1)
    assert live.call("POST /v1/feedback", "/v1/feedback", {"inference_id": answer.id, "rating": 5}).status == 202


def test_the_same_job_is_the_same_run_and_is_trained_once(live: World, client: OpenAI) -> None:
    file = uploaded(client)

    first, again = created(client, file), created(client, file, metadata={"later": "yes"})
    seeded = created(client, file, seed=2)
    ended(live, client, first.id)

    assert first.id == again.id != seeded.id
    assert created(client, file).status == "succeeded"
    assert len(jobs_of(first.id)) == 1


def test_jobs_are_listed_newest_first_and_by_metadata(live: World, client: OpenAI) -> None:
    file = uploaded(client)
    made = [created(client, file, seed=n, metadata={"odd": str(n % 2), "n": str(n)}).id for n in range(4)]

    assert [job.id for job in client.fine_tuning.jobs.list(limit=3)] == made[::-1]
    page = client.fine_tuning.jobs.list(limit=3)
    assert (len(page.data), page.has_more) == (3, True)
    assert [job.id for job in client.fine_tuning.jobs.list(metadata={"odd": "1"})] == [made[3], made[1]]
    assert [job.id for job in client.fine_tuning.jobs.list(metadata={"odd": "1", "n": "1"})] == [made[1]]
    assert client.fine_tuning.jobs.list(metadata={"odd": "2"}).data == []
    assert live.call("GET /v1/fine_tuning/jobs", "/v1/fine_tuning/jobs", **{"metadatum[a]": "1"}).status == 422


def test_a_job_is_cancelled(live: World, client: OpenAI) -> None:
    job = created(client, uploaded(client))

    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"

    live.settle()
    assert client.fine_tuning.jobs.retrieve(job.id).status == "cancelled"
    assert jobs_of(job.id) == []
    assert refusal(client.fine_tuning.jobs.list_events, fine_tuning_job_id="run-1").status_code == 404
    assert client.fine_tuning.jobs.list_events(job.id).data[0].message == "The job was cancelled."
    assert client.fine_tuning.jobs.checkpoints.list(job.id).data == []


def test_older_scripts_write_hyperparameters_at_the_top(client: OpenAI) -> None:
    job = created(client, uploaded(client), hyperparameters={"n_epochs": 4, "batch_size": "auto"})

    assert (job.hyperparameters.n_epochs, job.hyperparameters.batch_size) == (4, "auto")


def test_another_file_validates(live: World, client: OpenAI) -> None:
    other = uploaded(client, [chat(f"Where is parcel {n}?", ("late", "lost")[n % 2], PROMPT) for n in range(12)])
    sent = UploadCounter()

    job = created(client, uploaded(client), validation_file=other)
    done = ended(live, client, job.id)

    assert (done.status, done.validation_file) == ("succeeded", other)
    assert sent.lines == {"train": 40, "validation": 12}
    assert steps.look(live, job.id)["valid_loss"] is not None
    assert created(client, job.training_file).id != job.id


def test_what_is_erased_from_a_validation_file_is_erased_at_the_provider(
    live: World, client: OpenAI, later: Later
) -> None:
    lines = [chat(f"Where is parcel {n}?", ("late", "lost")[n % 2], PROMPT, subject=f"user-{n}") for n in range(12)]
    job = created(client, uploaded(client), validation_file=uploaded(client, lines))
    ended(live, client, job.id)
    asked = erase_subject(live, "user-3").body

    sweep_erasures(live, later)

    done = erasure(live, asked["id"])
    assert (done["status"], done["runs"]) == ("done", [job.id])
    assert stage_provider().find_file(TrainingFile(live.tenant, job.id, Split.VALIDATION)) is None


class UploadCounter(ProviderProxy):
    """Counts the lines of each file that is sent, by its role."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}

    def upload(self, file: Any, base_model: str, content: Any) -> str:
        self.lines[file.split] = len(content.readlines())
        content.seek(0)
        return str(self.real.upload(file, base_model, content))


def test_validation_that_proves_nothing_is_refused(live: World, client: OpenAI) -> None:
    file = uploaded(client)
    same = uploaded(client, [chat(f"Where is order {n}?", ("late", "lost")[n % 2], PROMPT) for n in range(40)][::-1])

    refused = refusal(client.fine_tuning.jobs.create, model="m", training_file=file, validation_file=file)
    failed = ended(live, client, created(client, file, validation_file=same).id)

    assert (refused.status_code, refused.code, refused.param) == (422, "same_validation_file", "validation_file")
    assert (failed.status, failed.error.code, failed.error.param) == (
        "failed",
        "same_validation_file",
        "validation_file",
    )


def test_preference_pairs_are_trained_by_dpo(live: World, client: OpenAI) -> None:
    said = [[{"role": "assistant", "content": text}] for text in ("late", "lost")]
    pairs = [
        {
            "input": {"messages": [{"role": "user", "content": f"Where is order {n}?"}]},
            "preferred_output": said[n % 2],
            "non_preferred_output": said[1 - n % 2],
        }
        for n in range(30)
    ]
    file = uploaded(client, pairs)
    method: Any = {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 2, "beta": 0.2}}}

    job = created(client, file, method=method)
    refused = refusal(
        client.fine_tuning.jobs.create, model=steps.BASE_MODEL, training_file=file, method={"type": "supervised"}
    )

    assert ended(live, client, job.id).status == "succeeded"
    assert job.method.type == "dpo"
    assert (refused.code, refused.param) == ("other_kind", "method.type")
    mixed = refusal(lambda: uploaded(client, [pairs[0], chat("a question to answer", "late")]))
    assert mixed.code == "mixed_kinds"
    lines = [json.loads(line) for line in client.files.content(file).text.splitlines()]
    written = [sorted(json.dumps(line, sort_keys=True) for line in part) for part in (lines, pairs)]
    assert written[0] == written[1]


def test_any_dataset_is_a_training_file_under_its_own_policy(live: World, client: OpenAI) -> None:
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    live.drop("support", steps.support(600))

    job = created(client, "support")
    done = ended(live, client, job.id)

    assert (done.status, done.fine_tuned_model) == ("succeeded", "support:1")
    assert "EvaluationCompleted" in live.delivered
    assert steps.deployment(live)["stable"] == 1
    [export] = app.exports.all(live.tenant, "support")
    assert export.files[Split.TEST].examples


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"hyperparameters": {"batch_size": 200}}, "hyperparameters.batch_size"),
        ({"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 51}}}}, "n_epochs"),
        ({"training_file": "empty"}, None),
        ({"validation_file": "empty"}, "validation_file"),
    ],
)
def test_what_can_t_be_trained_is_refused_before_there_is_anything(
    fields: dict[str, Any], param: str | None, live: World, client: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch)
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "empty"})

    asked = {"model": steps.BASE_MODEL, "training_file": uploaded(client), "suffix": "fresh", **fields}
    refused = refusal(client.fine_tuning.jobs.create, **asked)

    assert refused.status_code in (409, 422)
    assert param is None or (refused.param or "").endswith(param)
    assert client.fine_tuning.jobs.list().data == []
    assert app.models.find(live.tenant, "fresh") is None


def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the provider take batches of a hundred at most."""
    provider = app.providers.get(app.settings.provider)
    able = provider.capabilities(steps.BASE_MODEL)
    ranges = able.hyperparameters | {"batch_size": Range(least=1, most=100, is_whole=True)}
    changed = able.model_copy(update={"hyperparameters": ranges})
    monkeypatch.setattr(type(provider), "capabilities", lambda *_: changed)


def test_a_suffix_never_takes_another_dataset_s_model(live: World, client: OpenAI) -> None:
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support"})
    file = uploaded(client)

    taken = refusal(client.fine_tuning.jobs.create, model=steps.BASE_MODEL, training_file=file, suffix="Support")
    nothing = refusal(client.fine_tuning.jobs.create, model=steps.BASE_MODEL, training_file=file, suffix="!!!")

    assert (taken.status_code, taken.code, taken.param) == (409, "model_taken", "suffix")
    assert isinstance(nothing, UnprocessableEntityError)


def test_two_files_may_train_one_named_model_and_leave_its_base_alone(live: World, client: OpenAI) -> None:
    other = [chat(f"When comes order {n}?", ("soon", "never")[n % 2], PROMPT) for n in range(40)]

    made = [created(client, file, suffix="both").id for file in (uploaded(client), uploaded(client, other))]

    assert [ended(live, client, job).fine_tuned_model for job in made] == ["both:1", "both:2"]
    base = app.models.version(live.tenant, "both", 0)
    assert (base.prompt, base.base_model) == (None, steps.BASE_MODEL)
    assert steps.deployment(live, "both")["stable"] == 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, "integrations"),
        ({"method": {"type": "reinforcement"}}, "method.type"),
    ],
)
def test_what_isn_t_supported_says_so(fields: dict[str, Any], param: str, client: OpenAI) -> None:
    refused = refusal(client.fine_tuning.jobs.create, model=steps.BASE_MODEL, training_file="f", **fields)

    assert isinstance(refused, BadRequestError)
    assert (refused.code, refused.param) == ("not_supported", param)


def test_a_version_that_a_chat_names_answers_and_no_other(live: World, client: OpenAI) -> None:
    steps.registered(live, provider_model="no-such-model")
    ask = client.chat.completions.create
    messages: Any = [{"role": "user", "content": "Where is my order?"}]

    assert ask(model="support:0", messages=messages).model == steps.BASE_MODEL
    counting = CallCounter()
    failed = refusal(ask, model="support:1", messages=messages)
    counting.leave()

    assert failed.status_code in (400, 503)
    assert counting.asked["complete"] == 1
    for name in ("support:2", "nobody:1", "support:x", "support:1:1"):
        missing = refusal(ask, model=name, messages=messages)
        assert (missing.status_code, missing.code) == (404, "model_not_found")
    for name in ("support:2", "nobody", "nobody:0"):
        assert refusal(client.models.retrieve, model=name).code == "model_not_found"


def test_another_tenant_s_jobs_and_files_are_not_there(live: World, client: OpenAI) -> None:
    file = uploaded(client)
    job = created(client, file)
    other = client.with_options(api_key=live.new_key(*Scope, tenant="other"))
    jobs = other.fine_tuning.jobs

    for ask in (jobs.retrieve, jobs.list_events, jobs.cancel, jobs.checkpoints.list):
        with pytest.raises(NotFoundError):
            ask(job.id)
    for fields in ({"training_file": file}, {"training_file": uploaded(other), "validation_file": file}):
        assert refusal(jobs.create, model=steps.BASE_MODEL, **fields).status_code == 404
    assert refusal(jobs.list, after=job.id).status_code == 404
    assert jobs.list().data == []


def test_a_job_fails_in_openai_s_words(live: World, client: OpenAI) -> None:
    job = created(client, uploaded(client, [chat("Where is my order?", "late")]))

    done = ended(live, client, job.id)

    assert (done.status, done.error.code, done.fine_tuned_model) == ("failed", "too_few_examples", None)
    assert done.error.message == "Need at least 10 examples. Current: 1."
    assert client.fine_tuning.jobs.list_events(job.id).data[0].message == "The job has failed."


def test_a_job_whose_provider_is_away_can_still_be_read(live: World, client: OpenAI) -> None:
    job = created(client, uploaded(client))
    live.settle()
    away = Away()

    seen = client.fine_tuning.jobs.retrieve(job.id)

    assert seen.status in ("validating_files", "queued", "running")
    away.leave()


class Away(ProviderProxy):
    """Knows nothing of any job for now."""

    def get_job(self, *_: Any, **__: Any) -> ProviderJob:
        raise ProviderUnavailable("The provider can't answer now.")
