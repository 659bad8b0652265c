"""The steps of the demo; each goes through a front door and checks what a user would see."""

from collections.abc import Callable
from typing import Any, NamedTuple

from local.demo.journey import DemoJourney
from local.demo.report import DemoReport
from ops.smoke.journey import LoopError, describe_overlaps, describe_split

# Limits far above what the steps take on a small machine, so that only a step that hangs ends the demo.
COLLECT_S = 60
FREEZE_S = 60
REQUEST_S = 60
TRAIN_S = 3600
DEPLOY_S = 600
EVALUATE_S = 180
COUNT_S = 30
USER = "demo-user"


class DemoStep(NamedTuple):
    """One step of the demo."""

    name: str
    title: str
    run: Callable[[DemoJourney, DemoReport], None]


def make_key(journey: DemoJourney, _: DemoReport) -> None:
    """Make a tenant and its API key."""
    journey.screen.say(f"tenant demo, key {journey.make_key()}; its secret is stored as a hash only")


def drop(journey: DemoJourney, _: DemoReport) -> None:
    """A dataset that only collects, as it does by itself where training costs something, and files into the bucket."""
    journey.api.post("/datasets", {"id": journey.dataset, "on_drop": "collect"})
    journey.screen.say(f"dataset {journey.dataset}: nothing is trained until somebody asks for it")
    if journey.test:
        journey.screen.say(f"s3://…/{journey.drop(journey.test, 'test/')}")
    journey.screen.say(f"s3://…/{journey.drop(journey.data)}")


def collect(journey: DemoJourney, _: DemoReport) -> None:
    """Wait until the drops are segments."""
    expected = 2 if journey.test else 1
    for drop in journey.wait_for_drops(expected, COLLECT_S):
        journey.screen.say(f"{drop['examples']:,} examples from {drop['object'].rpartition('/')[2]}")


def look(journey: DemoJourney, report: DemoReport) -> None:
    """Show what there is, how it is divided, the proof of that, and what training would cost."""
    export = journey.wait_for_export(FREEZE_S)
    journey.screen.say(journey.describe_eligibility())
    journey.screen.say(describe_split(export))
    journey.screen.say(describe_overlaps(export))
    if export["advice"]:
        journey.screen.say(export["advice"])
    report.overlaps = export["overlaps"]
    journey.screen.show_estimates(journey.api.get(f"/datasets/{journey.dataset}/estimate")["estimates"])


def train(journey: DemoJourney, report: DemoReport) -> None:
    """Ask for a run of what was frozen, and follow it to its end."""
    run = journey.api.post("/training-runs", {"dataset": journey.dataset})
    with journey.screen.run_bar() as view:
        for run, events in journey.follow(run["id"], TRAIN_S):  # noqa: B020 - the run is what is followed
            view(run, events)
    if run["status"] != "succeeded":
        raise LoopError(f"The run ended as {run['status']}: {(run.get('error') or {}).get('message')}")
    journey.run = run
    journey.screen.say(f"{run['trained_tokens']:,} tokens trained for ${run['training_cost_usd']:.2f}")
    deployment = journey.wait_for_version(run, DEPLOY_S)["deployment"]
    if deployment:
        journey.screen.say(f"deployed as {deployment}")
    journey.screen.say(f"version {run['version']} is ready: {run['fine_tuned_model']}")
    report.versions = _versions(journey)


def evaluate(journey: DemoJourney, report: DemoReport) -> None:
    """Compare version, base model and the commonest answer on the same held-out examples."""
    with journey.screen.evaluation_bar() as view:
        evaluation = journey.wait_for_evaluation(view, EVALUATE_S)
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
    entry = journey.wait_for_decision(REQUEST_S)
    if entry["action"] != "activate":
        raise LoopError(f"The gate refused: {entry['reason']}")
    journey.screen.say(f"version {entry['stable']} serves everybody. {entry['reason']}")


def ask(journey: DemoJourney, _: DemoReport) -> None:
    """Ask by the unmodified OpenAI client, under the dataset's name."""
    client = journey.openai()
    answers = [(question, *journey.ask(client, question, USER)[:2]) for question in journey.questions()]
    journey.screen.show_answers(answers)
    if {version for _, _, version in answers} != {journey.run["version"]}:
        raise LoopError(f"Version {journey.run['version']} should have answered every question.")


def deactivate(journey: DemoJourney, _: DemoReport) -> None:
    """Let the base model answer, then the version again."""
    client, question = journey.openai(), journey.questions()[0]
    for action, expected in (("deactivate", 0), ("activate", journey.run["version"])):
        journey.api.post(f"/models/{journey.dataset}/{action}", {"reason": "the demo"})
        answer = journey.ask(client, question, USER)
        if answer.version != expected:
            raise LoopError(f"After {action} version {expected} should have answered, not {answer.version}.")
        journey.screen.say(f"{action}d: version {answer.version} answers {answer.text}")


def usage(journey: DemoJourney, report: DemoReport) -> None:
    """Show the calls of the demo, counted per version."""
    report.usage = journey.wait_for_usage(COUNT_S)
    journey.screen.show_usage(report.usage)


STEPS = (
    DemoStep("key", "Make a tenant and an API key", make_key),
    DemoStep("drop", "Drop training data into S3", drop),
    DemoStep("collect", "Turn the drop into segments", collect),
    DemoStep("look", "Look at it before anything is spent", look),
    DemoStep("train", "Train on it", train),
    DemoStep("evaluate", "Compare on held-out examples", evaluate),
    DemoStep("promote", "Let the gate decide", promote),
    DemoStep("ask", "Ask with the OpenAI client", ask),
    DemoStep("deactivate", "Deactivate, and activate again", deactivate),
    DemoStep("usage", "Account for every call", usage),
)


def _versions(journey: DemoJourney) -> list[dict[str, Any]]:
    kept = ("number", "provider_model", "is_finetuned", "status")
    versions = journey.api.get(f"/models/{journey.dataset}/versions")["data"]
    return [{name: version[name] for name in kept} for version in versions]
