"""A sentence planted wherever content may stand: requests, files, models, reviews, names, broken events.

It is planted in the same places on either wire; where its plants are looked for stands in `canary_search.py`.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from infra.stage import LOCAL
from local.stack import LocalStack
from tests.bus_listener import hear_the_bus, stop_hearing
from tests.e2e.conftest import Command
from tests.e2e.waits import soon
from tests.examples import chat
from tests.world import sqs_event
from tuneloop.domain.core.limits import LINE_BYTES

TENANT, DATASET = "aviary", "herons"
MANY = 60
Json = dict[str, Any]


@dataclass
class Canary:
    """The sentence, what else must not be found, and all that was said to somebody who was refused."""

    stack: LocalStack
    key: str
    token: str = field(default_factory=lambda: secrets.token_hex(6))
    secret: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    broken: list[Json] = field(default_factory=list)

    def at(self, place: str) -> str:
        """The sentence for one place, so that whoever finds it knows where it comes from."""
        return f"the purple heron {self.token} dances at {place}"

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> Json:
        """An answer of the API; a refusal is remembered."""
        headers = {"authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        url = self.stack.base_url + path
        answer = httpx2.request(method, url, content=content, headers=headers, timeout=60, **options)
        if answer.is_success:
            found: Json = answer.json()
            return found
        self.refusals.append(answer.text)
        return {"status": answer.status_code}

    def refused(self, method: str, path: str, body: Any = None, **options: Any) -> None:
        """Ask for what can't be."""
        said = self.send(method, path, body, **options)
        assert 400 <= said.get("status", 200) < 500, said

    def invoke(self, function: str, event: Json, kind: str = "RequestResponse") -> None:
        """Wake a function with an event that it can do nothing with; what it says is a refusal."""
        self.broken.append(event)
        name, payload = LOCAL.name_of(function), json.dumps(event)
        answer = self.stack.client("lambda").invoke(FunctionName=name, InvocationType=kind, Payload=payload)
        self.refusals.append(answer["Payload"].read().decode())

    def drop(self, name: str, *lines: bytes) -> None:
        """Put a file into the bucket."""
        key = f"incoming/{TENANT}/{DATASET}/{name}"
        self.stack.client("s3").put_object(Bucket=self.stack.outputs["BucketName"], Key=key, Body=b"\n".join(lines))


def plant(canary: Canary) -> None:
    """Everywhere."""
    plant_in_requests(canary)
    plant_in_files_and_posts(canary)
    plant_in_a_model(canary)
    plant_in_reviews_and_erasures(canary)
    plant_in_names_at_the_provider(canary)
    plant_in_broken_events(canary)


def plant_in_requests(canary: Canary) -> None:
    """In headers, paths, queries and bodies that are refused."""
    for authorization in (f"Bearer tl_{canary.token}", f"Bearer {canary.at('bearer')}", f"Basic {canary.at('basic')}"):
        canary.refused("GET", "/datasets", headers={"authorization": authorization})
    path, query, body, name = (canary.at(place) for place in ("path", "query", "body", "field"))
    canary.refused("GET", "/models/nothing/route", params={"user": query})
    canary.refused("GET", f"/datasets/{path}")
    canary.refused("GET", f"/{path}", params={query: query})
    canary.refused("GET", "/datasets", params={"limit": query})
    canary.refused("GET", "/datasets", params={"cursor": query})
    canary.refused("GET", "/usage", params={"first_day": query, "model": query})
    canary.refused("POST", "/datasets", f'{{"id": "{body}'.encode())
    canary.refused("POST", "/datasets", {"id": "x", name: body})
    canary.refused("POST", "/datasets", {"id": body})
    canary.refused("POST", "/datasets", {"id": "x", "on_drop": body})
    canary.refused("POST", "/datasets", {"id": "x", name: "\ud800"})
    prompt, user = canary.at("a refused prompt"), canary.at("a refused user")
    message = {"role": "user", "content": prompt}
    canary.refused("POST", "/chat/completions", {"model": body, "messages": [message], "user": user})
    canary.refused("POST", "/chat/completions", {"model": "x", "messages": [{**message, "role": body}]})
    canary.refused("POST", "/chat/completions", {"model": "x", "messages": prompt, "temperature": body})
    correction = canary.at("a refused correction")
    canary.refused("POST", "/feedback", {"inference_id": body, "correction": correction})
    canary.refused("POST", "/feedback", {"inference_id": "x", "rating": body, "correction": correction})
    canary.refused("POST", "/models", {"id": body})
    canary.refused("POST", "/training-runs", {"dataset": body, "hyperparameters": {name: body}})
    canary.refused("POST", "/evaluations", {"model": "x", "version": body})


def lines_that_cannot_be_used(canary: Canary) -> list[Any]:
    """Examples with something wrong, each in a place of its own."""
    user, answer, role = canary.at("a bad question"), canary.at("a bad answer"), canary.at("role")
    name, value, part = canary.at("an unknown name"), canary.at("an unknown value"), canary.at("a part")
    return [
        {**chat(user, answer), name: value},
        {"messages": [{"role": role, "content": user}, {"role": "assistant", "content": answer}]},
        {"messages": [{"role": "user", "content": {name: part}}, {"role": "assistant", "content": answer, name: 1}]},
        {"messages": [{"role": "user", "content": user, "weight": value}, {"role": "assistant", "content": [part]}]},
        chat(user, answer, split=value, created_at=value, quality=value, subject=[value]),
        {**chat(user, answer), "tools": canary.at("tools"), "parallel_tool_calls": value},
        {"messages": canary.at("messages")},
        canary.at("a bare line"),
    ]


def plant_in_files_and_posts(canary: Canary) -> None:
    """In files and posts, of which some can't be used; the others are trained on."""
    canary.send("POST", "/datasets", {"id": DATASET, "on_drop": "train"})
    bad, raw = lines_that_cannot_be_used(canary), canary.at("a broken line").encode()
    broken = [b'{"messages": "' + raw, raw, raw + b"\xff", b'{"a": "\\ud800 %b"}' % raw]
    canary.drop("bad.jsonl", *(json.dumps(line).encode() for line in bad), *broken)
    long = canary.at("a long line").encode()
    canary.drop("long.jsonl", long * (LINE_BYTES // len(long) + 1))
    canary.drop("packed.jsonl.gz", canary.at("a broken archive").encode())
    for line in bad:
        canary.refused("POST", f"/datasets/{DATASET}/examples", {"examples": [line]})
    canary.refused("POST", f"/datasets/{DATASET}/examples", {"examples": [], canary.at("field"): canary.at("body")})
    with nobody_reads(canary.stack, "examples", "collect") as waiting:
        line = chat(canary.at("a posted question"), canary.at("a posted answer"))
        canary.send("POST", f"/datasets/{DATASET}/examples", {"examples": [line]})
        canary.messages += soon(waiting)
    question, answer, system = (canary.at(place) for place in ("question", "answer", "system"))
    subject = canary.at("a trained subject")
    lines = [
        chat(f"{n}: {question}?", f"{answer}, {('yes', 'no')[n % 2]}", system, subject=subject) for n in range(MANY)
    ]
    canary.drop("good.jsonl", *(json.dumps(line).encode() for line in lines))
    form = canary.send("POST", f"/datasets/{DATASET}/uploads", {"filename": "a.jsonl"})
    canary.secret += [form["fields"][name] for name in ("x-amz-signature", "policy")]


def plant_in_a_model(canary: Canary) -> None:
    """In what a trained model is asked and answers, and in what users say to that."""
    runs = soon(lambda: trained(canary), 120)
    export = canary.send("GET", f"/datasets/{DATASET}/exports/{runs[0]['export']}")
    canary.secret.append(export["files"]["train"]["url"].rpartition("Signature=")[2])
    soon(lambda: ended(canary), 120)
    canary.send("POST", f"/models/{DATASET}/activate", {"version": 1})
    with nobody_reads(canary.stack, "usage", "records") as waiting:
        answer = canary.send("POST", "/chat/completions", question(canary, DATASET))
        canary.messages += soon(waiting)
    assert canary.at("answer") in json.dumps(answer), "the model learnt the sentence"
    asked = {"messages": [{"role": "user", "content": canary.at("what was asked")}], "answer": canary.at("an answer")}
    correction = {"rating": 1, "correction": canary.at("correction"), "subject": canary.at("a subject"), **asked}
    canary.send("POST", "/feedback", {"inference_id": answer["id"], **correction})
    soon(lambda: counted(canary))


def plant_in_reviews_and_erasures(canary: Canary) -> None:
    """In what is looked for, decided, set, corrected and erased, some of which is refused."""
    place = f"/datasets/{DATASET}"
    name, value, text = canary.at("a setting's name"), canary.at("a setting"), canary.at("what is looked for")
    for setting in ({"template": {"user": value}}, {"csv": {name: value}}, {"policy": {name: value}}, {"trust": value}):
        canary.refused("PATCH", place, setting)
    canary.drop("bad.csv", f"{name},{value}".encode(), value.encode())
    canary.drop("odd.csv", b"prompt,completion", f'{value},"{value}'.encode())
    canary.send("GET", f"{place}/examples", params={"text": text, "category": text})
    canary.refused("GET", f"{place}/examples", params={"status": value})
    canary.refused("GET", f"{place}/examples", params={"cursor": value})
    canary.refused("GET", f"{place}/estimate", params={"calls": value})
    [found] = canary.send("GET", f"{place}/examples", params={"limit": "1"})["data"]
    decided = {"example": found["id"], "version": 0, "note": canary.at("a note")}
    edited = {"content": chat(canary.at("an edited question"), canary.at("an edited answer"))}
    done = canary.send("POST", f"{place}/reviews", {"reviewer": canary.at("a reviewer"), "reviews": [decided | edited]})
    assert done["changed"] == 1
    canary.messages.append(json.dumps(canary.send("POST", f"{place}/reviews", {"reviews": [decided | {"quality": 1}]})))
    canary.refused("POST", f"{place}/reviews", {"reviews": [decided | {"content": {"messages": value}}]})
    canary.refused("POST", f"{place}/reviews", {"reviews": [decided | {"example": value}]})
    canary.refused("DELETE", f"{place}/examples/{value}")
    assert canary.send("POST", "/erasures", {"subject": canary.at("an erased subject")})["id"]
    assert canary.send("DELETE", f"/subjects/{canary.at('another erased subject')}")["id"]


def plant_in_names_at_the_provider(canary: Canary) -> None:
    """In names of models at which the provider fails, and which it quotes in its errors."""
    base, tuned = canary.at("a base model"), canary.at("a tuned model")
    canary.send("POST", "/datasets", {"id": "nameless", "base_model": base, "on_drop": "train"})
    lines = [chat(f"{n} {canary.at('question')}", canary.at("answer")) for n in range(40)]
    canary.send("POST", "/datasets/nameless/examples", {"examples": lines})
    soon(lambda: any(run["status"] == "failed" for run in canary.send("GET", "/training-runs")["data"]), 120)
    version = {"provider_model": tuned, "prompt": canary.at("a version's prompt"), "verify": False}
    canary.send("POST", f"/models/{DATASET}/versions", version)
    canary.send("POST", f"/models/{DATASET}/activate", {"version": 2})
    canary.send("POST", f"/models/{DATASET}/versions", {"provider_model": canary.at("a mistyped model")})
    soon(lambda: canary.send("GET", f"/models/{DATASET}/versions")["data"][0]["status"] == "failed", 120)
    assert canary.send("POST", "/chat/completions", question(canary, DATASET))["tuneloop"]["fallback"]
    canary.send("POST", "/models", {"id": "nobody", "base_model": base})
    canary.refused("POST", "/chat/completions", question(canary, "nobody"))


def question(canary: Canary, model: str) -> Json:
    """What a user asks in an app, with the sentence in all that is his or the app's."""
    called = {"name": "fly", "arguments": json.dumps({"where": canary.at("tool arguments")})}
    turns = [
        {"role": "user", "content": canary.at("a first turn")},
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": called}]},
        {"role": "tool", "tool_call_id": "c1", "content": canary.at("a tool's result")},
        {"role": "user", "content": f"3: {canary.at('question')}?"},
    ]
    tool = {"name": "fly", "description": canary.at("a tool"), "parameters": {"description": canary.at("parameters")}}
    tools = [{"type": "function", "function": tool}]
    return {"model": model, "messages": turns, "tools": tools, "user": canary.at("user")}


def plant_in_broken_events(canary: Canary) -> None:
    """In messages and events that no code of ours sends."""
    said = canary.at("a broken event")
    for function, queue in (("collect-posts", "examples"), ("record-usage", "usage")):
        canary.invoke(function, sqs_event(queue, said))
        canary.invoke(function, sqs_event(queue, json.dumps({said: said})))
    canary.invoke("collect-examples", {"source": "aws.s3", "detail-type": said, "detail": {said: said}})
    canary.invoke("evaluate", {"source": "tuneloop", "detail-type": said, "detail": {"tenant": said}})
    canary.invoke("evaluate", {"source": "tuneloop", "detail-type": "VersionReady", "detail": {"tenant": said}})
    canary.invoke("check-status", {"schedule": said})
    canary.invoke("relay-events", {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {"NewImage": said}}]})
    canary.invoke("launch-finetune", {"source": "tuneloop", "detail-type": said, "detail": {said: said}}, "Event")
    soon(lambda: not is_empty(canary.stack, "failures"))


def trained(canary: Canary) -> list[Json]:
    """The runs, once one has succeeded."""
    runs = [canary.send("GET", f"/training-runs/{run['id']}") for run in canary.send("GET", "/training-runs")["data"]]
    return runs if any(run["status"] == "succeeded" for run in runs) else []


def ended(canary: Canary) -> bool:
    trained(canary)  # to look at a run takes its version a step further where that has to be deployed
    return any(each["status"] == "completed" for each in canary.send("GET", "/evaluations")["data"])


def counted(canary: Canary) -> bool:
    return any(row["calls"] and row["corrections"] for row in canary.send("GET", "/usage")["data"])


@contextmanager
def nobody_reads(stack: LocalStack, queue: str, word: str) -> Iterator[Callable[[], list[str]]]:
    """A while in which a queue's messages wait; gives what tells those with a word as their field."""
    functions, sqs = stack.client("lambda"), stack.client("sqs")
    url = sqs.get_queue_url(QueueName=LOCAL.name_of(queue))["QueueUrl"]
    every = functions.list_event_source_mappings()["EventSourceMappings"]
    [mapping] = [each["UUID"] for each in every if each["EventSourceArn"].endswith(f":{LOCAL.name_of(queue)}")]
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        yield lambda: [
            message["Body"]
            for message in sqs.receive_message(QueueUrl=url, VisibilityTimeout=0).get("Messages", [])
            if word in json.loads(message["Body"])
        ]
    finally:
        functions.update_event_source_mapping(UUID=mapping, Enabled=True)


def is_empty(stack: LocalStack, queue: str) -> bool:
    url = stack.client("sqs").get_queue_url(QueueName=LOCAL.name_of(queue))["QueueUrl"]
    name = "ApproximateNumberOfMessages"
    found = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(found["Attributes"][name]) == 0


def planted(stack: LocalStack, command: Command) -> Canary:
    """A sentence of a tenant's, and the keys that must be found nowhere, a narrow one among them."""
    canary = Canary(stack, command.ok("keys", "create", TENANT).strip())
    narrow = command.ok("keys", "create", TENANT, "--scope", "read").strip()
    canary.secret += [canary.key, narrow, stack.trainer.api_key, stack.aws.secret_access_key]
    for path in (f"/{canary.token}", "/datasets"):
        canary.refused("POST", path, {"id": canary.at("a narrow key")}, headers={"authorization": f"Bearer {narrow}"})
    return canary


@contextmanager
def listening(stack: LocalStack, canary: Canary) -> Iterator[str]:
    """A queue that hears the bus for a while."""
    name = f"canary-{canary.token}"
    yield (url := hear_the_bus(stack, name))
    stop_hearing(stack, name, url)
