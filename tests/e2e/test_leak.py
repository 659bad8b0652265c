"""A test made of training rows on the deployed stack: the gate finds them out before it asks anything."""

import json
from typing import Any

import httpx2

from tests.e2e.conftest import Command
from tests.e2e.drops import collected, put
from tests.e2e.waits import soon
from tests.examples import chat
from tuneloop.domain.core.ids import digest

ROWS, LEAKED = 150, 40
ANSWERS = ("card", "refund", "transfer")


def content_of(lines: list[dict[str, Any]]) -> bytes:
    return "\n".join(map(json.dumps, lines)).encode()


def learnable(number: int) -> dict[str, Any]:
    """Made-up words that nothing else is asked in, and a hint at the answer."""
    answer = ANSWERS[number % len(ANSWERS)]
    words = [f"w{byte}" for byte in bytes.fromhex(digest("leak", number))[:16]]
    return chat(f"{' '.join(words)} my {answer}", answer)


def reworded(line: dict[str, Any]) -> dict[str, Any]:
    asked, answer = line["messages"]
    return {"messages": [{**asked, "content": f"please {asked['content']}"}, answer]}


def test_a_version_is_not_proved_by_its_training_rows_with_a_word_more(command: Command) -> None:
    command.key = command.ok("keys", "create", "leaky").strip()
    api = command.api
    api.post("/datasets", {"id": "support", "on_drop": "collect"})
    put(command, "incoming/leaky/support/examples.jsonl", content_of([learnable(number) for number in range(ROWS)]))
    collected(command, "support")
    *_, (run, _) = api.follow(api.post("/training-runs", {"dataset": "support"})["id"])
    soon(lambda: api.get("/models/support/history")["data"])  # proved on rows of its own, and decided
    [first] = api.get("/evaluations")["data"]
    api.post("/models/support/deactivate", {"reason": "a test of the gate"})
    export = api.get(f"/datasets/support/exports/{run['export']}")
    trained = httpx2.get(export["files"]["train"]["url"]).text.splitlines()
    leaked = [reworded(json.loads(line)) for line in trained[:LEAKED]]

    put(command, "incoming/leaky/support/test/leaked.jsonl", content_of(leaked))
    collected(command, "support", 2)
    asked = api.post("/datasets/support/exports", {})
    second = soon(lambda: ready_export(api, asked["id"]))
    body = {"model": "support", "version": 1, "dataset": "support", "export": second["id"], "promote": True}
    evaluation = api.post("/evaluations", body)

    found = soon(lambda: ended(api, evaluation["id"]))
    assert first["removed_overlap"] == 0
    assert second["left_out"]["kept_out"] >= LEAKED / 2
    assert (found["contaminated"], found["verdict"]["promote"]) == (True, False)
    assert LEAKED / 2 < found["removed_overlap"] == found["removed_by"]["near_duplicate"]
    assert (found["rows_asked"], found["look"], found["arms"], found["cost_usd"]) == (0, 0, {}, 0)
    soon(lambda: [line for line in api.get("/models/support/history")["data"] if line["evaluation"] == found["id"]])
    assert api.get("/models/support/deployment")["stable"] == 0


def ready_export(api: Any, export: str) -> Any:
    found = api.get(f"/datasets/support/exports/{export}")
    return found if found["status"] == "frozen" else None


def ended(api: Any, evaluation: str) -> Any:
    found = api.get(f"/evaluations/{evaluation}")
    return found if found["status"] == "completed" else None
