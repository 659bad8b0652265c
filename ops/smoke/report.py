"""The report of a smoke test: its bill, what it leaves behind, and how to see to it.

A provider that serves by deployments, as Bedrock does, bills each trained model by the month, so the report of a test
that was broken off says how that is ended.
"""

from typing import Any

from infra.stage import Stage
from ops.smoke.steps import SmokeTest, is_hosted, version_path


def describe_bill(smoke: SmokeTest) -> str:
    """Return what a smoke test cost, part by part, in USD."""
    training = smoke.run.get("training_cost_usd")
    parts = {
        "training": training,
        "evaluation": smoke.evaluation.get("cost_usd"),
        "answers": sum(row["cost_usd"] for row in smoke.usage),
    }
    lines = [f"  {name:<12}{'unknown' if usd is None else f'${usd:.4f}'}" for name, usd in parts.items()]
    total = sum(usd for usd in parts.values() if usd is not None)
    return "\n".join(["The bill", *lines, "  AWS         under a cent: see make bill", f"  total       ${total:.4f}"])


def describe_leftovers(smoke: SmokeTest) -> str:
    """Return what a finished smoke test leaves behind."""
    stays = what_is_there(smoke.run, is_hosted=is_hosted(smoke.version), is_removed=smoke.is_removed)
    return (
        f"\nKey {smoke.key_id} is revoked. What stays: tenant {smoke.tenant} with its rows and files (some kilobytes), "
        f"and {stays}."
    )


def describe_interrupted(smoke: SmokeTest, stage: Stage) -> str:
    """Return what an interrupted smoke test leaves, and how to see to it."""
    if not smoke.run:
        return f"No run was asked for. What stays: tenant {smoke.tenant}, its key revoked."
    hint = f"\n{how_to_retire(smoke.run, smoke.dataset)}" if smoke.plan.storage_usd_per_month else ""
    return (
        f"Run {smoke.run['id']} of tenant {smoke.tenant} was {smoke.run['status']} when last seen. If it is on its way "
        f"it goes on, costs at most {_price(smoke)}, and can be looked after:\n"
        f"  export TUNELOOP_BASE_URL={smoke.stack.base_url}\n"
        f"  export TUNELOOP_API_KEY=$(.venv/bin/tuneloop keys create {smoke.tenant} --stage {stage.name})\n"
        f"  .venv/bin/tuneloop runs watch {smoke.run['id']}{hint}"
    )


def what_is_there(run: dict[str, Any], *, is_hosted: bool, is_removed: bool) -> str:
    """Return what the provider has of a smoke test."""
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
    """Return how to be rid of what an interrupted smoke test has trained, or may yet train."""
    version = run.get("version") or "VERSION"
    return (
        "  Its model, once there is one, is billed by the month until its version is retired:\n"
        f"  curl -X DELETE $TUNELOOP_BASE_URL{version_path(dataset, version)} "
        '-H "Authorization: Bearer $TUNELOOP_API_KEY"'
    )


def _price(smoke: SmokeTest) -> str:
    return "what its provider asks" if smoke.plan.total_usd is None else f"${smoke.plan.total_usd}"
