"""The steps of the demo; each uses the public routes or the bucket, and checks what a user would see."""

from collections.abc import Callable
from typing import Any, NamedTuple

from local.demo.journey import DemoJourney
from local.demo.report import DemoReport
from ops.smoke.journey import LoopError, describe_overlaps, describe_split

# Seconds to wait for each step, far above what it takes on a free machine, so that only a step that hangs ends the
# demo. On a machine that was busy with other work, freezing took 39 s and counting 29 s (2026-12-01). Training depends
# on the user's own file, so it has an hour.
COLLECT_TIMEOUT_S = 120
EXPORT_TIMEOUT_S = 120
DECISION_TIMEOUT_S = 60
TRAINING_TIMEOUT_S = 3600
DEPLOY_TIMEOUT_S = 600
EVALUATION_TIMEOUT_S = 180
COUNT_TIMEOUT_S = 120
USER = "demo-user"


class DemoStep(NamedTuple):
    """One step of the demo: its name in the report, its title on the screen, and what it does."""

    name: str
    title: str
    run: Callable[[DemoJourney, DemoReport], None]


def make_key(journey: DemoJourney, _: DemoReport) -> None:
    """Make a tenant and its API key."""
    journey.screen.say(f"tenant demo, key {journey.make_key()}; its secret is stored as a hash only")


def drop(journey: DemoJourney, _: DemoReport) -> None:
    """Make a dataset that only collects, as datasets do where training costs something, and drop the files for it."""
    journey.api.post("/datasets", {"id": journey.dataset, "on_drop": "collect"})
    journey.screen.say(f"dataset {journey.dataset}: nothing is trained until somebody asks for it")
    if journey.test:
        journey.screen.say(f"s3://…/{journey.drop(journey.test, 'test/')}")
    journey.screen.say(f"s3://…/{journey.drop(journey.data)}")


def collect(journey: DemoJourney, _: DemoReport) -> None:
    """Wait until the drops have become examples."""
    expected = 2 if journey.test else 1
    for drop in journey.wait_for_drops(expected, COLLECT_TIMEOUT_S):
        journey.screen.say(f"{drop['examples']:,} examples from {drop['object'].rpartition('/')[2]}")


def inspect(journey: DemoJourney, report: DemoReport) -> None:
    """Show how many examples there are, how they are split, that the splits share nothing, and what training costs."""
    export = journey.wait_for_export(EXPORT_TIMEOUT_S)
    journey.screen.say(journey.describe_eligibility())
    journey.screen.say(describe_split(export))
    journey.screen.say(describe_overlaps(export))
    if export["advice"]:
        journey.screen.say(export["advice"])
    report.overlaps = export["overlaps"]
    journey.screen.show_estimates(journey.api.get(f"/datasets/{journey.dataset}/estimate")["estimates"])


def train(journey: DemoJourney, report: DemoReport) -> None:
    """Ask for a run on the export, follow it to its end, and wait until its version can be called."""
    run = journey.api.post("/training-runs", {"dataset": journey.dataset})
    with journey.screen.run_bar() as view:
        for run, events in journey.follow(run["id"], TRAINING_TIMEOUT_S):  # noqa: B020 - the same run as it goes on
            view(run, events)
    if run["status"] != "succeeded":
        raise LoopError(f"The run ended as {run['status']}: {(run.get('error') or {}).get('message')}")
    journey.run = run
    journey.screen.say(f"{run['trained_tokens']:,} tokens trained for ${run['training_cost_usd']:.2f}")
    deployment = journey.wait_for_version(run, DEPLOY_TIMEOUT_S)["deployment"]
    if deployment:
        journey.screen.say(f"deployed as {deployment}")
    journey.screen.say(f"version {run['version']} is ready: {run['fine_tuned_model']}")
    report.versions = _versions(journey)


def evaluate(journey: DemoJourney, report: DemoReport) -> None:
    """Wait for the comparison of version, base model and commonest answer on the same held-out examples."""
    with journey.screen.evaluation_bar() as view:
        evaluation = journey.wait_for_evaluation(view, EVALUATION_TIMEOUT_S)
    journey.evaluation = evaluation
    arms, comparison = evaluation["arms"], evaluation["comparison"]
    journey.screen.show_arms(evaluation)
    report.evaluation = {
        "examples": evaluation["examples"],
        "removed_overlap": evaluation["removed_overlap"],
        "base_accuracy": arms["base"]["accuracy"],
        "baseline_accuracy": arms["most_frequent"]["accuracy"],
        "tuned_accuracy": arms["candidate"]["accuracy"],
        "p_value": comparison["p_value"],
        "interval": comparison["interval"],
    }


def promote(journey: DemoJourney, _: DemoReport) -> None:
    """Wait for the gate's decision, and show its reason."""
    entry = journey.wait_for_decision(DECISION_TIMEOUT_S)
    if entry["action"] != "activate":
        raise LoopError(f"The gate refused: {entry['reason']}")
    journey.screen.say(f"version {entry['stable']} serves everybody. {entry['reason']}")


def ask(journey: DemoJourney, _: DemoReport) -> None:
    """Ask a few held-out questions with the unmodified OpenAI client; LoopError where another version answers."""
    client = journey.openai()
    answers = [(question, *journey.ask(client, question, USER)[:2]) for question in journey.questions()]
    journey.screen.show_answers(answers)
    if {version for _, _, version in answers} != {journey.run["version"]}:
        raise LoopError(f"Version {journey.run['version']} should have answered every question.")


def deactivate(journey: DemoJourney, _: DemoReport) -> None:
    """Deactivate the version so that the base model answers, then activate it again; LoopError where it doesn't."""
    client, question = journey.openai(), journey.questions()[0]
    for action, expected in (("deactivate", 0), ("activate", journey.run["version"])):
        journey.api.post(f"/models/{journey.dataset}/{action}", {"reason": "the demo"})
        answer = journey.ask(client, question, USER)
        if answer.version != expected:
            raise LoopError(f"After {action} version {expected} should have answered, not {answer.version}.")
        journey.screen.say(f"{action}d: version {answer.version} answers {answer.text}")


def usage(journey: DemoJourney, report: DemoReport) -> None:
    """Wait until every call of the demo is counted, and show the calls by version."""
    report.usage = journey.wait_for_usage(COUNT_TIMEOUT_S)
    journey.screen.show_usage(report.usage)


STEPS = (
    DemoStep("key", "Make a tenant and an API key", make_key),
    DemoStep("drop", "Drop training data into S3", drop),
    DemoStep("collect", "Turn the drop into segments", collect),
    DemoStep("look", "Look at it before anything is spent", inspect),
    DemoStep("train", "Train on it", train),
    DemoStep("evaluate", "Compare on held-out examples", evaluate),
    DemoStep("promote", "Let the gate decide", promote),
    DemoStep("ask", "Ask with the OpenAI client", ask),
    DemoStep("deactivate", "Deactivate, and activate again", deactivate),
    DemoStep("usage", "Account for every call", usage),
)


def _versions(journey: DemoJourney) -> list[dict[str, Any]]:
    fields = ("number", "provider_model", "is_finetuned", "status")
    versions = journey.api.get(f"/models/{journey.dataset}/versions")["data"]
    return [{name: version[name] for name in fields} for version in versions]
