"""Records what a release leaves behind, for the test that the next one reads it: rows, objects and queued messages.

Played at a release with `make test ARGS=tests/functions/record_release.py`, which writes `build/release.json.gz`; the
file is kept beside this one under the release's date. What was recorded before stays: each release reads them all.
"""

import gzip
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from tests.examples import chat
from tests.functions import steps
from tests.functions.routes import FORMS
from tests.world import BUCKET, TABLE, World
from tuneloop.app import utc_now

BUILD = Path(__file__).resolve().parents[2] / "build"
QUEUES = ("examples", "usage")
KEPT = {"datasets", "exports", "evaluations", "incoming", "posted"}
ROWS = 400  # of which enough are drawn for a test that the gate can use


def play(world: World) -> None:
    """Go round the loop, and leave some of each kind of thing behind: decided, erased, held, waiting."""
    steps.settled(world, [{**line, "subject": f"person-{n % 120}"} for n, line in enumerate(steps.support(ROWS))])
    [run] = steps.runs(world)
    run = steps.followed(world, run["id"])
    assert run["status"] == "succeeded"
    world.settle()
    steps.decide(world, "activate")
    collect = {"on_drop": "collect"}
    assert world.call("PATCH /v1/datasets/{dataset}", "/v1/datasets/support", collect).status == 200
    answer = steps.ask(world, user="user-1").body["id"]
    said = {
        "inference_id": answer,
        "correction": "It is late.",
        "messages": chat("Where is it?", "late")["messages"][:1],
    }
    assert world.call("POST /v1/feedback", "/v1/feedback", said).status == 202
    world.settle()
    _review(world)
    erasure = {"subject": "person-3"}
    assert world.call("POST /v1/erasures", "/v1/erasures", erasure).status == 202
    world.schedule("erase-examples")
    world.settle()
    world.call("POST /v1/files", "/v1/files", FORMS["POST /v1/files"])
    columns = {"id": "cards", "csv": {"user": "question", "assistant": "answer"}, "on_drop": "collect"}
    world.call("POST /v1/datasets", "/v1/datasets", columns)
    world.drop("cards", b"question,answer\nLate?,yes\nLost?,no\n,\n", name="cards.csv")
    world.schedule("collect-examples")
    world.settle()
    number = steps.registered(world, "by-hand", provider_model=run["fine_tuned_model"])
    steps.share(world, number, 0.25, model="by-hand")
    steps.decide(world, "deactivate", {"reason": "a look at the base"})
    posted = {"examples": [chat("Is it late?", "yes", category="time"), chat("Is it lost?", "no")]}
    assert world.call("POST /v1/datasets/{dataset}/examples", "/v1/datasets/cards/examples", posted).status == 202
    steps.ask(world, user="user-2")


def _review(world: World) -> None:
    path = "/v1/datasets/support/examples"
    page = world.call("GET /v1/datasets/{dataset}/examples", path).body["data"]
    decided = [
        {"example": page[0]["id"], "version": page[0]["version"], "status": "approved", "category": "orders"},
        {"example": page[1]["id"], "version": page[1]["version"], "status": "rejected"},
        {"example": page[2]["id"], "version": page[2]["version"], "content": chat("Where is my hat?", "late")},
    ]
    route = "POST /v1/datasets/{dataset}/reviews"
    assert world.call(route, "/v1/datasets/support/reviews", {"reviews": decided}).status == 200


def reads_of(world: World) -> list[tuple[str, str]]:
    """The routes that tell all of it, with their paths."""
    ids = {"run": steps.runs(world)[0]["id"]}
    for name, route in (("evaluation", "/v1/evaluations"), ("erasure", "/v1/erasures"), ("file", "/v1/files")):
        ids[name] = world.call(f"GET {route}", route).body["data"][0]["id"]
    for name in ("exports", "drops", "examples"):
        route = f"/v1/datasets/{{dataset}}/{name}"
        ids[name] = world.call(f"GET {route}", f"/v1/datasets/support/{name}").body["data"][0]["id"]
    support = [
        "/v1/datasets/{dataset}",
        "/v1/datasets/{dataset}/drops",
        "/v1/datasets/{dataset}/exports",
        "/v1/datasets/{dataset}/examples",
        "/v1/datasets/{dataset}/statistics",
        "/v1/datasets/{dataset}/eligibility",
    ]
    model = ["/v1/models/{model}/versions", "/v1/models/{model}/deployment", "/v1/models/{model}/history"]
    single = [
        ("/v1/datasets/{dataset}/drops/{drop}", f"/v1/datasets/support/drops/{ids['drops']}"),
        ("/v1/datasets/{dataset}/exports/{export}", f"/v1/datasets/support/exports/{ids['exports']}"),
        ("/v1/datasets/{dataset}/examples/{example}", f"/v1/datasets/support/examples/{ids['examples']}"),
        *((f"/v1/{name}s/{{{name}}}", f"/v1/{name}s/{ids[name]}") for name in ("evaluation", "erasure", "file")),
        ("/v1/training-runs/{run}", f"/v1/training-runs/{ids['run']}"),
        ("/v1/fine_tuning/jobs/{job}", f"/v1/fine_tuning/jobs/{ids['run']}"),
    ]
    lists = (
        "datasets",
        "training-runs",
        "evaluations",
        "erasures",
        "files",
        "fine_tuning/jobs",
        "models",
        "usage",
        "budget",
    )
    reads = [*((f"/v1/{name}", f"/v1/{name}") for name in lists), *single]
    reads += [(route, route.replace("{dataset}", name)) for route in support for name in ("support", "cards")]
    reads += [(route, route.replace("{model}", name)) for route in model for name in ("support", "by-hand")]
    return [(f"GET {route}", path) for route, path in reads]


def answers(world: World, reads: list[tuple[str, str]]) -> dict[str, Any]:
    """What each path answers, without the signatures of links, which are another every time."""
    return {path: unsigned(world.call(route, path).body) for route, path in reads}


def unsigned(value: Any) -> Any:
    """A body in which links end before their signature."""
    if isinstance(value, dict):
        return {name: unsigned(part) for name, part in value.items() if name != "expires_at"}
    if isinstance(value, list):
        return [unsigned(part) for part in value]
    return value.partition("?")[0] if isinstance(value, str) and value.startswith("https://") else value


def rows_of(world: World) -> list[dict[str, Any]]:
    """Every row of the table, in DynamoDB's own types."""
    pages = world.dynamodb.get_paginator("scan").paginate(TableName=TABLE)
    return [item for page in pages for item in page["Items"]]


def test_what_this_release_leaves_is_recorded(live: World) -> None:
    play(live)
    reads = reads_of(live)
    found: dict[str, Any] = {
        "recorded_at": utc_now().isoformat(),
        "tenant": live.tenant,
        "key": live.key,
        "reads": reads,
        "answers": answers(live, reads),
        "rows": rows_of(live),
        "objects": {},
        "messages": {},
    }
    for page in live.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for one in page.get("Contents", []):
            content = live.s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
            found["objects"][one["Key"]] = b64encode(content).decode()
    for queue in QUEUES:
        url = live.sqs.get_queue_url(QueueName=f"tuneloop-test-{queue}")["QueueUrl"]
        waiting = live.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        found["messages"][queue] = [message["Body"] for message in waiting]
    BUILD.mkdir(exist_ok=True)
    (BUILD / "release.json.gz").write_bytes(gzip.compress(json.dumps(found, sort_keys=True).encode(), mtime=0))

    # Of each kind of thing there is some, or the next release would be tried on less than what there was.
    told = {path: body for path, body in found["answers"].items() if "/cards/" not in path}
    assert all(found["messages"].values())
    assert {key.partition("/")[0] for key in found["objects"]} >= KEPT
    assert told["/v1/evaluations"]["data"][0]["comparison"]
    assert [path for path, body in told.items() if body.get("data") == []] == []
