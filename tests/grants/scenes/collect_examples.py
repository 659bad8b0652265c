"""collect-examples: datasets made and changed, files collected, posts written down, changes settled."""

import json

import httpx2

from tests.examples import chat
from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage
from tuneloop.domain.datasets.drops import Drop

COLLECT = "collect-examples"
FILE = b"\n".join(state.lines())


@scene(COLLECT, "POST /v1/datasets")
def a_dataset_is_made_with_its_model(stage: Stage) -> None:
    stage.call("POST /v1/datasets", {"id": "support"})

    assert stage.datasets.find(stage.tenant, "support")
    assert stage.models.find(stage.tenant, "support")


@scene(COLLECT, "GET /v1/datasets")
def datasets_are_listed(stage: Stage) -> None:
    state.empty_dataset(stage)

    assert [found["id"] for found in stage.call("GET /v1/datasets")["data"]] == ["support"]


@scene(COLLECT, "GET /v1/datasets/{dataset}")
def a_dataset_is_read(stage: Stage) -> None:
    state.empty_dataset(stage)

    assert stage.call("GET /v1/datasets/support")["examples"] == 0


@scene(COLLECT, "PATCH /v1/datasets/{dataset}")
def a_dataset_is_changed(stage: Stage) -> None:
    state.empty_dataset(stage)

    stage.call("PATCH /v1/datasets/support", {"on_invalid": "skip"})

    assert stage.datasets.get(stage.tenant, "support").on_invalid == "skip"


@scene(COLLECT, "GET /v1/datasets/{dataset}/drops")
def drops_are_listed(stage: Stage) -> None:
    state.dataset(stage)

    assert [drop["id"] for drop in stage.call("GET /v1/datasets/support/drops")["data"]] == ["drop-1"]


@scene(COLLECT, "GET /v1/datasets/{dataset}/drops/{drop}")
def a_drop_is_read(stage: Stage) -> None:
    state.dataset(stage)

    assert stage.call("GET /v1/datasets/support/drops/drop-1")["id"] == "drop-1"


@scene(COLLECT, "POST /v1/datasets/{dataset}/examples")
def posted_examples_are_queued(stage: Stage) -> None:
    drop = stage.call("POST /v1/datasets/support/examples", {"examples": [chat("Where is my order?", "late")]})

    assert stage.message("Examples")["collect"]["drop"] == drop["id"]


@scene(COLLECT, "POST /v1/datasets/{dataset}/uploads")
def a_file_is_uploaded_by_its_form(stage: Stage) -> None:
    state.empty_dataset(stage)

    form = stage.call("POST /v1/datasets/support/uploads", {"filename": "a.jsonl"})
    sent = httpx2.post(form["url"], data=form["fields"], files={"file": ("a.jsonl", FILE)})

    assert sent.is_success, sent.text


@scene(COLLECT, "drop")
def a_file_is_collected(stage: Stage) -> None:
    state.empty_dataset(stage)

    stage.wake("collect_examples.drop", object=stage.put(f"incoming/{stage.tenant}/support/a.jsonl", FILE))

    assert stage.datasets.get(stage.tenant, "support").examples == len(state.lines())


@scene(COLLECT, "drop")
def a_file_whose_event_names_no_version_is_collected(stage: Stage) -> None:
    state.empty_dataset(stage)
    key = f"incoming/{stage.tenant}/support/b.jsonl"
    stage.put(key, FILE)

    stage.wake("collect_examples.drop", object={"key": key, "etag": "an etag", "size": len(FILE)})

    assert stage.datasets.get(stage.tenant, "support").examples == len(state.lines())


@scene(COLLECT, "TrainingRunFinished")
def changes_that_waited_for_a_run_settle(stage: Stage) -> None:
    state.dataset(stage)

    stage.wake("collect_examples.TrainingRunFinished", tenant=stage.tenant, dataset="support")

    assert stage.datasets.get(stage.tenant, "support").settled_revision == 1


@scene(COLLECT, "every-5-minutes")
def changes_settle_and_an_unheard_of_file_is_collected(stage: Stage) -> None:
    state.dataset(stage)
    key = f"incoming/{stage.tenant}/support/unheard.jsonl"
    stage.put(key, FILE + b"\n" + json.dumps(chat("Where is parcel nobody?", "lost")).encode())

    stage.wake("collect_examples.every-5-minutes")

    found = stage.datasets.get(stage.tenant, "support")
    assert found.settled_revision == 1
    assert key in [drop.object for drop in stage.datasets.drops(stage.tenant, "support", 10, None).data]


@scene(COLLECT, "every-5-minutes")
def a_post_that_no_message_tells_of_any_more_is_given_up(stage: Stage) -> None:
    state.empty_dataset(stage)
    drop = Drop(id="drop-1", tenant=stage.tenant, dataset="support", object="api", created_at=state.long_ago())
    stage.datasets.save_drop(drop)

    stage.wake("collect_examples.every-5-minutes")

    assert stage.datasets.drop(stage.tenant, "support", drop.id).status == "failed"


@scene(COLLECT, "POST /v1/files")
def a_file_of_openai_s_wire_is_collected(stage: Stage) -> None:
    file = uploaded(stage)

    assert stage.datasets.get(stage.tenant, file).examples == len(state.lines())


@scene(COLLECT, "GET /v1/files")
def files_are_listed(stage: Stage) -> None:
    file = uploaded(stage)

    assert [found["id"] for found in stage.call("GET /v1/files")["data"]] == [file]


@scene(COLLECT, "GET /v1/files/{file}")
def a_file_is_read(stage: Stage) -> None:
    file = uploaded(stage)

    assert stage.call(f"GET /v1/files/{file}")["filename"] == "a.jsonl"


@scene(COLLECT, "GET /v1/files/{file}/content")
def a_file_is_downloaded(stage: Stage) -> None:
    file = uploaded(stage)

    assert len(stage.send(f"GET /v1/files/{file}/content").text.splitlines()) == len(state.lines())


@scene(COLLECT, "DELETE /v1/files/{file}")
def a_file_is_not_deleted(stage: Stage) -> None:
    file = uploaded(stage)

    assert stage.send(f"DELETE /v1/files/{file}").json()["error"]["code"] == "not_supported"


def uploaded(stage: Stage) -> str:
    """The id of a file that was uploaded."""
    url = stage.stack.base_url + "/files"
    headers = {"authorization": f"Bearer {stage.key}"}
    sent = httpx2.post(url, data={"purpose": "fine-tune"}, files={"file": ("a.jsonl", FILE)}, headers=headers)
    assert sent.is_success, sent.text
    return str(sent.json()["id"])
