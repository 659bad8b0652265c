"""The report of a smoke test: its bill, what it leaves behind, and how to remove that.

A provider that serves by deployments, as Bedrock does, bills each trained model by the month, so the report of an
interrupted test says how to end that.
"""

from typing import Any

from infra.stage import Stage
from ops.smoke.steps import SmokeTest, is_hosted, version_path


def describe_bill(smoke: SmokeTest) -> str:
    """Lines with the cost of a smoke test in USD, part by part."""
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
    """A sentence about what a finished smoke test leaves behind."""
    remains = describe_remains(smoke.run, is_hosted=is_hosted(smoke.version), is_removed=smoke.is_removed)
    return (
        f"\nKey {smoke.key_id} is revoked. What stays: tenant {smoke.tenant} with its rows and files (some kilobytes), "
        f"and {remains}."
    )


def describe_interrupted(smoke: SmokeTest, stage: Stage) -> str:
    """Lines about what an interrupted smoke test leaves behind, and the commands to follow or end it."""
    if not smoke.run:
        return f"No run was asked for. What stays: tenant {smoke.tenant}, its key revoked."
    hint = f"\n{retirement_hint(smoke.run, smoke.dataset)}" if smoke.plan.storage_usd_per_month else ""
    return (
        f"Run {smoke.run['id']} of tenant {smoke.tenant} was {smoke.run['status']} when last seen. If it is under way "
        f"it goes on, costs at most {_price(smoke)}, and can be watched:\n"
        f"  export TUNELOOP_BASE_URL={smoke.stack.base_url}\n"
        f"  export TUNELOOP_API_KEY=$(.venv/bin/tuneloop keys create {smoke.tenant} --stage {stage.name})\n"
        f"  .venv/bin/tuneloop runs watch {smoke.run['id']}{hint}"
    )


def describe_remains(run: dict[str, Any], *, is_hosted: bool, is_removed: bool) -> str:
    """The part of a sentence that names what the provider and the bucket still have of a smoke test."""
    model = run.get("fine_tuned_model")
    if not is_hosted:
        return f"at the provider the training files and model {model}"
    if is_removed:
        return f"in the bucket the training files. Model {model} and its deployment are deleted"
    return (
        f"in the bucket the training files. Model {model} and its deployment are being deleted, within some turns of "
        "the five-minute rule"
    )


def retirement_hint(run: dict[str, Any], dataset: str) -> str:
    """Lines that say how to remove the model that an interrupted smoke test has trained, or may still train."""
    version = run.get("version") or "VERSION"
    return (
        "  Its model, once there is one, is billed by the month until its version is retired:\n"
        f"  curl -X DELETE $TUNELOOP_BASE_URL{version_path(dataset, version)} "
        '-H "Authorization: Bearer $TUNELOOP_API_KEY"'
    )


def _price(smoke: SmokeTest) -> str:
    return "what its provider asks" if smoke.plan.total_usd is None else f"${smoke.plan.total_usd}"
