"""collect-posts: posts collected, feedback judged, and datasets settled that a reminder names."""

import json

from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage
from tests.world import sqs_event
from tuneloop.app import utc_now
from tuneloop.domain.datasets.drops import Drop

POSTS = "collect-posts"


@scene(POSTS, "queue")
def a_post_is_collected_and_its_dataset_is_to_settle(stage: Stage) -> None:
    state.empty_dataset(stage)
    drop = Drop(id="drop-1", tenant=stage.tenant, dataset="support", object="api", created_at=utc_now())
    stage.datasets.save_drop(drop)
    stage.put(f"posted/{stage.tenant}/support/{drop.id}.jsonl", b"\n".join(state.lines()))
    told = {"tenant": stage.tenant, "dataset": "support", "drop": drop.id}

    stage.invoke(POSTS, sqs_event("examples", json.dumps({"collect": told})))

    assert stage.datasets.get(stage.tenant, "support").examples == len(state.lines())


@scene(POSTS, "queue")
def a_reminder_settles_its_dataset(stage: Stage) -> None:
    state.dataset(stage)
    told = {"tenant": stage.tenant, "dataset": "support"}

    stage.invoke(POSTS, sqs_event("examples", json.dumps({"settle": told})))

    assert stage.datasets.get(stage.tenant, "support").settled_revision == 1
