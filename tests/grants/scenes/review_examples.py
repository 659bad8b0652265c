"""review-examples: examples listed and read, decided on, and counted."""

from typing import Any

from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage
from tuneloop.domain.training.runs import RunStatus
from tuneloop.store.repositories.reviews import Reviews

REVIEW = "review-examples"
EXAMPLES = "GET /v1/datasets/support/examples"


def listed(stage: Stage) -> list[dict[str, Any]]:
    """What the dataset holds."""
    found: list[dict[str, Any]] = stage.call(EXAMPLES, limit="100")["data"]
    return found


@scene(REVIEW, "GET /v1/datasets/{dataset}/examples")
def examples_are_listed(stage: Stage) -> None:
    state.dataset(stage)

    assert len(listed(stage)) == len(state.lines())


@scene(REVIEW, "GET /v1/datasets/{dataset}/examples/{example}")
def an_example_is_read_with_its_uses(stage: Stage) -> None:
    made = state.run(stage)
    stage.runs.save(made.model_copy(update={"status": RunStatus.FAILED}))
    [example, *_] = listed(stage)

    found = stage.call(f"{EXAMPLES}/{example['id']}")

    assert [(use["export"], use["runs"]) for use in found["uses"]] == [(made.export, [made.id])]


@scene(REVIEW, "POST /v1/datasets/{dataset}/reviews")
def an_example_is_approved(stage: Stage) -> None:
    state.dataset(stage)
    [example, *_] = listed(stage)

    stage.call(
        "POST /v1/datasets/support/reviews",
        {"reviews": [{"example": example["id"], "version": 0, "status": "approved"}]},
    )

    [review] = Reviews(stage.table).of(stage.tenant, "support", 2, example["id"])
    assert (review.status, review.revision) == ("approved", 2)


@scene(REVIEW, "GET /v1/datasets/{dataset}/statistics")
def a_dataset_is_counted(stage: Stage) -> None:
    state.dataset(stage)

    assert stage.call("GET /v1/datasets/support/statistics")["examples"] == len(state.lines())


@scene(REVIEW, "GET /v1/datasets/{dataset}/eligibility")
def a_dataset_is_found_to_suffice(stage: Stage) -> None:
    state.dataset(stage)

    assert stage.call("GET /v1/datasets/support/eligibility")["eligible"]
