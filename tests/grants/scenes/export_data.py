"""export-data: revisions frozen, exports listed and downloaded."""

import httpx2

from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage
from tuneloop.domain.datasets.policy import DEFAULT
from tuneloop.domain.exports.exports import export_id

EXPORT = "export-data"


@scene(EXPORT, "DatasetSettled")
def a_settled_revision_is_frozen(stage: Stage) -> None:
    state.dataset(stage)

    stage.wake("export_data.DatasetSettled", tenant=stage.tenant, dataset="support", revision=1)

    assert stage.exports.find(stage.tenant, "support", export_id(stage.tenant, "support", 1, DEFAULT))


@scene(EXPORT, "TrainingRunRequested")
def the_revision_of_a_run_is_frozen(stage: Stage) -> None:
    state.dataset(stage)

    stage.wake("export_data.TrainingRunRequested", tenant=stage.tenant, dataset="support", revision=1)

    assert stage.exports.find(stage.tenant, "support", export_id(stage.tenant, "support", 1, DEFAULT))


@scene(EXPORT, "POST /v1/datasets/{dataset}/exports")
def an_export_is_asked_for(stage: Stage) -> None:
    state.dataset(stage)

    stage.call("POST /v1/datasets/support/exports", {})

    assert stage.datasets.get(stage.tenant, "support").settled_revision == 1


@scene(EXPORT, "GET /v1/datasets/{dataset}/exports")
def exports_are_listed(stage: Stage) -> None:
    frozen = state.export(stage)

    assert [found["id"] for found in stage.call("GET /v1/datasets/support/exports")["data"]] == [frozen.id]


@scene(EXPORT, "GET /v1/datasets/{dataset}/exports/{export}")
def an_export_is_downloaded(stage: Stage) -> None:
    frozen = state.export(stage)

    files = stage.call(f"GET /v1/datasets/support/exports/{frozen.id}")["files"]

    for file in files.values():
        sent = httpx2.get(file["url"])
        assert sent.is_success, sent.text
    converted = stage.call(f"GET /v1/datasets/support/exports/{frozen.id}?format=bedrock-conversation")["files"]
    assert httpx2.get(converted["train"]["url"]).is_success


@scene(EXPORT, "GET /v1/datasets/{dataset}/estimate")
def training_on_a_dataset_is_priced(stage: Stage) -> None:
    frozen = state.export(stage)

    assert stage.call("GET /v1/datasets/support/estimate")["export"] == frozen.id
