"""The loop, step by step; each step goes through a front door and checks what a user would see."""

from collections.abc import Callable
from typing import Any, NamedTuple

from local.demo.report import DemoReport
from local.demo.scene import Scene
from ops.smoke.journey import LoopError, describe_overlaps, describe_split

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
    run: Callable[[Scene, DemoReport], None]


def make_key(scene: Scene, _: DemoReport) -> None:
    """A tenant and its API key."""
    scene.screen.say(f"tenant demo, key {scene.make_key()}; its secret is stored as a hash only")


def drop(scene: Scene, _: DemoReport) -> None:
    """A dataset that only collects, as it does by itself where training costs something, and files into the bucket."""
    scene.api.post("/datasets", {"id": scene.dataset, "on_drop": "collect"})
    scene.screen.say(f"dataset {scene.dataset}: nothing is trained until somebody asks for it")
    if scene.test:
        scene.screen.say(f"s3://…/{scene.drop(scene.test, 'test/')}")
    scene.screen.say(f"s3://…/{scene.drop(scene.data)}")


def collect(scene: Scene, _: DemoReport) -> None:
    """Drops become segments."""
    expected = 2 if scene.test else 1
    for found in scene.wait_for_drops(expected, COLLECT_S):
        scene.screen.say(f"{found['examples']:,} examples from {found['object'].rpartition('/')[2]}")


def look(scene: Scene, report: DemoReport) -> None:
    """What there is, how it is divided, the proof of that, and what training would cost."""
    export = scene.wait_for_export(FREEZE_S)
    scene.screen.say(scene.describe_eligibility())
    scene.screen.say(describe_split(export))
    scene.screen.say(describe_overlaps(export))
    if export["advice"]:
        scene.screen.say(export["advice"])
    report.overlaps = export["overlaps"]
    scene.screen.estimates(scene.api.get(f"/datasets/{scene.dataset}/estimate")["estimates"])


def train(scene: Scene, report: DemoReport) -> None:
    """A run of what was frozen is asked for and followed to its end."""
    run = scene.api.post("/training-runs", {"dataset": scene.dataset})
    with scene.screen.run_bar() as view:
        for run, events in scene.follow(run["id"], TRAIN_S):  # noqa: B020 - the run is what is followed
            view(run, events)
    if run["status"] != "succeeded":
        raise LoopError(f"The run ended as {run['status']}: {(run.get('error') or {}).get('message')}")
    scene.run = run
    scene.screen.say(f"{run['trained_tokens']:,} tokens trained for ${run['training_cost_usd']:.2f}")
    deployment = scene.wait_for_version(run, DEPLOY_S)["deployment"]
    if deployment:
        scene.screen.say(f"deployed as {deployment}")
    scene.screen.say(f"version {run['version']} is ready: {run['fine_tuned_model']}")
    report.versions = _versions(scene)


def evaluate(scene: Scene, report: DemoReport) -> None:
    """Version, base model and the commonest answer on the same held-out examples."""
    with scene.screen.evaluation_bar() as view:
        found = scene.wait_for_evaluation(view, EVALUATE_S)
    scene.evaluation = found
    arms, comparison = found["arms"], found["comparison"]
    scene.screen.show_arms(found)
    report.evaluation = {
        "examples": found["examples"],
        "removed_overlap": found["removed_overlap"],
        "base_accuracy": arms["base"]["accuracy"],
        "baseline_accuracy": arms["most_frequent"]["accuracy"],
        "tuned_accuracy": arms["candidate"]["accuracy"],
        "p_value": comparison["p_value"],
        "interval": comparison["interval"],
    }


def promote(scene: Scene, _: DemoReport) -> None:
    """The gate's decision, with its reason."""
    entry = scene.wait_for_decision(REQUEST_S)
    if entry["action"] != "activate":
        raise LoopError(f"The gate refused: {entry['reason']}")
    scene.screen.say(f"version {entry['stable']} serves everybody. {entry['reason']}")


def ask(scene: Scene, _: DemoReport) -> None:
    """The unmodified OpenAI client, asked by the dataset's name."""
    client = scene.openai()
    answers = [(question, *scene.ask(client, question, USER)[:2]) for question in scene.questions()]
    scene.screen.answers(answers)
    if {version for _, _, version in answers} != {scene.run["version"]}:
        raise LoopError(f"Version {scene.run['version']} should have answered every question.")


def deactivate(scene: Scene, _: DemoReport) -> None:
    """The base model answers, then the version again."""
    client, question = scene.openai(), scene.questions()[0]
    for action, expected in (("deactivate", 0), ("activate", scene.run["version"])):
        scene.api.post(f"/models/{scene.dataset}/{action}", {"reason": "the demo"})
        given = scene.ask(client, question, USER)
        if given.version != expected:
            raise LoopError(f"After {action} version {expected} should have answered, not {given.version}.")
        scene.screen.say(f"{action}d: version {given.version} answers {given.text}")


def usage(scene: Scene, report: DemoReport) -> None:
    """What was just done, counted per version."""
    report.usage = scene.wait_for_usage(COUNT_S)
    scene.screen.show_usage(report.usage)


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


def _versions(scene: Scene) -> list[dict[str, Any]]:
    kept = ("number", "provider_model", "is_finetuned", "status")
    versions = scene.api.get(f"/models/{scene.dataset}/versions")["data"]
    return [{name: version[name] for name in kept} for version in versions]
