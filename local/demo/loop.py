"""The loop, step by step; each step goes through a front door and checks what a user would see."""

from collections.abc import Callable
from typing import Any, NamedTuple

from local.demo.report import Report
from local.demo.scene import DemoError, Scene

COLLECT_S = 60
REQUEST_S = 60
EVALUATE_S = 180
COUNT_S = 30


class Step(NamedTuple):
    """One step of the demo."""

    name: str
    title: str
    run: Callable[[Scene, Report], None]


def make_key(scene: Scene, _: Report) -> None:
    """A tenant and its API key."""
    scene.screen.say(f"tenant demo, key {scene.make_key()}; its secret is stored as a hash only")


def drop(scene: Scene, _: Report) -> None:
    """Files into the bucket; dataset and model are made by the drop itself."""
    if scene.test:
        scene.screen.say(f"s3://…/{scene.drop(scene.test, 'test/')}")
    scene.screen.say(f"s3://…/{scene.drop(scene.data)}")


def collect(scene: Scene, _: Report) -> None:
    """Drops become segments."""
    expected = 2 if scene.test else 1
    drops = scene.wait_for("Collecting the drop", lambda: _ended_drops(scene, expected), COLLECT_S)
    for found in drops:
        if found["status"] != "collected":
            first = found["problems"][0]
            raise DemoError(f"{found['object']} was rejected: line {first['line']}: {first['message']}")
        scene.screen.say(f"{found['examples']:,} examples from {found['object'].rpartition('/')[2]}")


def train(scene: Scene, report: Report) -> None:
    """The settled dataset is frozen, a run is launched and followed to its end."""
    run = scene.wait_for("Launching a training run", lambda: _first_run(scene), REQUEST_S)
    with scene.screen.following() as view:
        for run, events in scene.api.follow(run["id"], every_s=0.3):  # noqa: B020 - the run is what is followed
            view(run, events)
    if run["status"] != "succeeded":
        raise DemoError(f"The run ended as {run['status']}: {(run.get('error') or {}).get('message')}")
    scene.run = run
    export = scene.api.get(f"/datasets/{scene.dataset}/exports/{run['export']}")
    scene.screen.say(_split(export))
    scene.screen.say(f"{run['trained_tokens']:,} tokens trained for ${run['training_cost_usd']:.2f}")
    scene.screen.say(f"version {run['version']} is ready: {run['fine_tuned_model']}")
    report.versions = _versions(scene)


def evaluate(scene: Scene, report: Report) -> None:
    """Version, base model and the commonest answer on the same held-out examples."""
    with scene.screen.evaluating() as view:
        found = scene.wait_for("The evaluation", lambda: _evaluation(scene, view), EVALUATE_S)
    scene.evaluation = found
    arms, comparison = found["arms"], found["comparison"]
    if comparison is None:  # no rows to compare on, or one that can't answer
        raise DemoError(f"Nothing was compared. {found['verdict']['reason']}")
    scene.screen.arms(found)
    report.evaluation = {
        "examples": found["examples"],
        "removed_overlap": found["removed_overlap"],
        "base_accuracy": arms["base"]["accuracy"],
        "baseline_accuracy": arms["most_frequent"]["accuracy"],
        "tuned_accuracy": arms["candidate"]["accuracy"],
        "p_value": comparison["p_value"],
        "interval": comparison["interval"],
    }


def promote(scene: Scene, _: Report) -> None:
    """The gate's decision, with its reason."""
    path = f"/models/{scene.dataset}/history"
    entry = scene.wait_for("The gate's decision", lambda: scene.api.get(path)["data"], REQUEST_S)[0]
    if entry["action"] != "activate":
        raise DemoError(f"The gate refused: {entry['reason']}")
    scene.screen.say(f"version {entry['stable']} serves everybody. {entry['reason']}")


def ask(scene: Scene, _: Report) -> None:
    """The unmodified OpenAI client, asked by the dataset's name."""
    client = scene.openai()
    answers = [(question, *_ask(scene, client, question)) for question in scene.questions()]
    scene.screen.answers(answers)
    if {version for _, _, version in answers} != {scene.run["version"]}:
        raise DemoError(f"Version {scene.run['version']} should have answered every question.")


def deactivate(scene: Scene, _: Report) -> None:
    """The base model answers, then the version again."""
    client, question = scene.openai(), scene.questions()[0]
    for action, expected in (("deactivate", 0), ("activate", scene.run["version"])):
        scene.api.post(f"/models/{scene.dataset}/{action}", {"reason": "the demo"})
        answer, version = _ask(scene, client, question)
        if version != expected:
            raise DemoError(f"After {action} version {expected} should have answered, not {version}.")
        scene.screen.say(f"{action}d: version {version} answers {answer}")


def usage(scene: Scene, report: Report) -> None:
    """What was just done, counted per version."""
    report.usage = scene.wait_for("Counting every call", lambda: _counted(scene), COUNT_S)
    scene.screen.usage(report.usage)


STEPS = (
    Step("key", "Make a tenant and an API key", make_key),
    Step("drop", "Drop training data into S3", drop),
    Step("collect", "Turn the drop into segments", collect),
    Step("train", "Freeze an export and train on it", train),
    Step("evaluate", "Compare on held-out examples", evaluate),
    Step("promote", "Let the gate decide", promote),
    Step("ask", "Ask with the OpenAI client", ask),
    Step("deactivate", "Deactivate, and activate again", deactivate),
    Step("usage", "Account for every call", usage),
)


def _ended_drops(scene: Scene, expected: int) -> list[dict[str, Any]]:
    known = {dataset["id"] for dataset in scene.api.get("/datasets")["data"]}
    if scene.dataset not in known:
        return []
    drops: list[dict[str, Any]] = scene.api.get(f"/datasets/{scene.dataset}/drops")["data"]
    ended = [found for found in drops if found["status"] != "reading"]
    return ended if len(ended) == expected else []


def _first_run(scene: Scene) -> dict[str, Any] | None:
    runs: list[dict[str, Any]] = scene.api.get("/training-runs")["data"]
    return runs[0] if runs else None


def _split(export: dict[str, Any]) -> str:
    files = export["files"]
    counts = ", ".join(f"{files[split]['examples']:,} {split}" for split in ("train", "validation", "test"))
    left_out = export["duplicates"] + export["kept_out"]
    return f"export {export['id']}: {counts}" + (f" ({left_out:,} duplicates left out)" if left_out else "")


def _versions(scene: Scene) -> list[dict[str, Any]]:
    kept = ("number", "provider_model", "is_finetuned", "status")
    versions = scene.api.get(f"/models/{scene.dataset}/versions")["data"]
    return [{name: version[name] for name in kept} for version in versions]


def _evaluation(scene: Scene, view: Callable[[dict[str, Any]], None]) -> dict[str, Any] | None:
    found = next(iter(scene.api.get("/evaluations")["data"]), None)
    if found:
        view(found)
    return found if found and found["status"] in ("completed", "failed") else None


def _ask(scene: Scene, client: Any, question: str) -> tuple[str, int]:
    messages = [{"role": "user", "content": question}]
    completion = client.chat.completions.create(model=scene.dataset, messages=messages, user="demo-user")
    version: int = completion.tuneloop["version"]
    scene.calls[version] = scene.calls.get(version, 0) + 1
    return completion.choices[0].message.content, version


def _counted(scene: Scene) -> list[dict[str, Any]] | None:
    rows: list[dict[str, Any]] = scene.api.get("/usage", model=scene.dataset)["data"]
    return rows if {row["version"]: row["calls"] for row in rows} == scene.calls else None
