"""What a row of the table becomes when the table is set back to an earlier moment.

Almost every row becomes what it was. Four kinds don't, because what they say is known outside of the table too:
tenants and keys (a key that leaked is revoked for good), events that were sent, and the numbers of revisions and
versions. The provider finds a job by the id of its run, which is made of the dataset's revision: were a revision given
out twice, the second one's run would find the first one's model, trained on other data. So these numbers only go up,
and for their sake datasets and models that were made since stay, with nothing in them.
"""

from datetime import datetime
from typing import Any

from tuneloop.domain.serving.models import Deployment
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, from_item, to_item

Row = dict[str, Any]  # as DynamoDB has it: {"pk": {"S": "..."}, ...}
PROGRESS = ("exported_revision", "settled_revision", "wanted_revision")
JUMP = 1000  # more revisions than a dataset gets between a moment and its loss, where nobody knows how far it had come


def restored_row(then: Row | None, now: Row | None) -> Row | None:
    """What the row is to be, of what it was and what it is; None where there is to be none."""
    pk, sk = ((then or now or {})[name]["S"] for name in ("pk", "sk"))
    if pk == keys.TENANTS or pk.startswith("KEY#") or pk.endswith("#KEYS"):
        return now or then
    if then and "event_type" in then and "sweep_pk" not in then:
        return now and then  # sent before: a row that is put anew would be sent again
    if pk.endswith("#DATASETS"):
        return _dataset(then, now)
    if pk.endswith("#MODELS"):
        return _model(then, now)
    if then is None and now and "#MODEL#" in pk:
        return _of_a_new_model(sk, now)
    return then


def _dataset(then: Row | None, now: Row | None) -> Row | None:
    if now is None:
        return then and _counted_on(then, _number(then, "revision") + JUMP)
    base, reached = then or _emptied(now), _number(now, "revision")
    if now == _counted_on(base, reached):
        return now  # set back before
    return _counted_on(base, reached + 1) if reached > _number(base, "revision") else base


def _counted_on(dataset: Row, revision: int) -> Row:
    """The dataset under another revision, as far on its way as it was: what was frozen of the old one is of the new."""
    was = _number(dataset, "revision")
    same = [name for name in PROGRESS if _number(dataset, name) == was]
    return {**dataset, **to_item(dict.fromkeys(("revision", *same), revision))} if revision != was else dataset


def _emptied(dataset: Row) -> Row:
    kept = {name: value for name, value in dataset.items() if name not in {"changed_at", "settled_at"}}
    return {**kept, **to_item(dict.fromkeys(("revision", "examples", "segments", *PROGRESS), 0)), **to_item({"seq": 1})}


def _model(then: Row | None, now: Row | None) -> Row | None:
    if then is None or now is None:
        return then or now
    latest = max(_number(row, "latest_version") for row in (then, now))
    return {**then, **to_item({"latest_version": latest})}


def _of_a_new_model(sk: str, now: Row) -> Row | None:
    """A model that was made since has its base and a deployment on which that serves, as every new one."""
    if sk == keys.version("", "", 0).sk:
        return {name: value for name, value in now.items() if name != "prompt"}  # it named examples' answers
    if sk != keys.deployment("", "").sk:
        return None
    found = from_item(now)
    changed_at = datetime.fromisoformat(found["changed_at"])
    fresh = Deployment(tenant=found["tenant"], model=found["model"], changed_at=changed_at)
    item: Row = ConditionalPut(keys.deployment(fresh.tenant, fresh.model), fresh).action("")["Put"]["Item"]
    return item


def _number(row: Row, name: str) -> int:
    return int(row.get(name, {"N": "0"})["N"])
