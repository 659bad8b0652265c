"""The rules for each row of a table that is set back to an earlier moment.

Almost every row becomes what it was. Four kinds don't, because others than the table know them too: tenants and keys
(a key that leaked is revoked for good), events that were sent, and the numbers of revisions and versions. The provider
finds a job by the id of its run, which is made of the dataset's revision: if a revision were used twice, the second
run would find the first one's model, trained on other data. So these numbers only go up, and for their sake datasets
and models that were made since stay, with nothing in them.

`earlier` is a row as the restored table has it, `current` the row at the same key now; None where there is none.
"""

from datetime import datetime
from typing import Any

from tuneloop.domain.serving.models import Deployment
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, from_item, to_item

Row = dict[str, Any]  # as DynamoDB has it: {"pk": {"S": "..."}, ...}
# The revisions up to which a dataset was frozen, settled, and asked to be trained.
PROGRESS_FIELDS = ("exported_revision", "settled_revision", "wanted_revision")
# A dataset whose row is lost may have reached any revision since the earlier moment, so it goes on behind more of them
# than it can have had.
REVISION_JUMP = 1000


def restored_row(earlier: Row | None, current: Row | None) -> Row | None:
    """The row that the table is to have at a key; None where it is to have none."""
    pk, sk = ((earlier or current or {})[name]["S"] for name in ("pk", "sk"))
    if pk == keys.TENANTS or pk.startswith("KEY#") or pk.endswith("#KEYS"):
        return current or earlier
    if earlier and "event_type" in earlier and "sweep_pk" not in earlier:
        return current and earlier  # an event that was sent: putting its row again would send it again
    if pk.endswith("#DATASETS"):
        return _restored_dataset(earlier, current)
    if pk.endswith("#MODELS"):
        return _restored_model(earlier, current)
    if earlier is None and current and "#MODEL#" in pk:
        return _reset_model_row(sk, current)
    return earlier


def _restored_dataset(earlier: Row | None, current: Row | None) -> Row | None:
    if current is None:
        return earlier and _with_revision(earlier, _number(earlier, "revision") + REVISION_JUMP)
    base, reached = earlier or _empty_dataset(current), _number(current, "revision")
    if current == _with_revision(base, reached):
        return current  # an earlier run of the restore has done it
    return _with_revision(base, reached + 1) if reached > _number(base, "revision") else base


def _with_revision(dataset: Row, revision: int) -> Row:
    """A dataset's row under another revision; what had come as far as the old revision has come as far as the new."""
    old = _number(dataset, "revision")
    level = [name for name in PROGRESS_FIELDS if _number(dataset, name) == old]
    return {**dataset, **to_item(dict.fromkeys(("revision", *level), revision))} if revision != old else dataset


def _empty_dataset(dataset: Row) -> Row:
    kept = {name: value for name, value in dataset.items() if name not in {"changed_at", "settled_at"}}
    zeros = to_item(dict.fromkeys(("revision", "examples", "segments", *PROGRESS_FIELDS), 0))
    return {**kept, **zeros, **to_item({"seq": 1})}


def _restored_model(earlier: Row | None, current: Row | None) -> Row | None:
    if earlier is None or current is None:
        return earlier or current
    latest = max(_number(row, "latest_version") for row in (earlier, current))
    return {**earlier, **to_item({"latest_version": latest})}


def _reset_model_row(sk: str, current: Row) -> Row | None:
    """A row of a model that was made since: its version 0, a deployment on which that serves, and none besides."""
    if sk == keys.version("", "", 0).sk:
        return {name: value for name, value in current.items() if name != "prompt"}  # it named examples' answers
    if sk != keys.deployment("", "").sk:
        return None
    attributes = from_item(current)
    changed_at = datetime.fromisoformat(attributes["changed_at"])
    deployment = Deployment(tenant=attributes["tenant"], model=attributes["model"], changed_at=changed_at)
    key = keys.deployment(deployment.tenant, deployment.model)
    item: Row = ConditionalPut(key, deployment).action("")["Put"]["Item"]
    return item


def _number(row: Row, name: str) -> int:
    return int(row.get(name, {"N": "0"})["N"])
