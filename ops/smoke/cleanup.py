"""What a smoke test leaves at its provider, and how what would be billed from then on is taken away.

A provider that serves by deployments, as Bedrock does, bills each trained model by the month. There the version is
retired by the routes that any user has; a turn of check-status ends its deployment, then deletes its model.
"""

from typing import Any

from ops.smoke.journey import Journey, LoopError

WHY = "the smoke test is over"


def is_hosted(version: dict[str, Any]) -> bool:
    """Whether a version's provider keeps a deployment for it, which goes when it is retired."""
    return bool(version.get("deployment"))


def retire(journey: Journey, version: int) -> None:
    """Serve everybody with what served before, and retire the version."""
    journey.api.post(f"/models/{journey.dataset}/rollback", {"reason": WHY})
    journey.api.delete(_path(journey.dataset, version))


def is_removed(journey: Journey, number: int) -> bool:
    """Whether the provider has nothing of a retired version any more."""
    versions = journey.api.get(f"/models/{journey.dataset}/versions")["data"]
    found = next((version for version in versions if version["number"] == number), None)
    if found is None:
        raise LoopError(f"Version {number} of {journey.dataset} is not listed.")
    return found["removed_at"] is not None


def what_is_there(run: dict[str, Any], *, is_hosted: bool, is_removed: bool) -> str:
    """What the provider has of the test, in words."""
    model = run.get("fine_tuned_model")
    if not is_hosted:
        return f"at the provider the training files and model {model}"
    if is_removed:
        return f"in the bucket the training files. Model {model} and its deployment are deleted"
    return (
        f"in the bucket the training files. Model {model} and its deployment are being deleted, within some turns of "
        "the five-minute rule"
    )


def how_to_retire(run: dict[str, Any], dataset: str) -> str:
    """How to be rid of what an interrupted test has trained, or may yet train."""
    version = run.get("version") or "VERSION"
    return (
        "  Its model, once there is one, is billed by the month until its version is retired:\n"
        f'  curl -X DELETE $TUNELOOP_BASE_URL{_path(dataset, version)} -H "Authorization: Bearer $TUNELOOP_API_KEY"'
    )


def _path(model: str, version: int | str) -> str:
    return f"/models/{model}/versions/{version}"
