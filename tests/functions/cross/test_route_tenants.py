"""Every route of the OpenAPI document, asked by a tenant for what is another's: nothing is told, nothing is changed."""

import base64
import json
import re
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from tests.functions import steps
from tests.functions.openapi_document import OPERATIONS, Operation
from tests.functions.refusals import refused
from tests.functions.routes import FORMS, FREE_NAMES, QUERIES, path_of
from tests.world import BUCKET, TABLE, Answer, World
from tuneloop.domain.core.access import Scope

SAID = "the purple heron dances at noon"
LISTS = [operation for operation in OPERATIONS if "cursor" in operation.query]
NAMES_OF_PROVIDERS = {"POST /v1/fine_tuning/jobs": {"model"}}  # a base model, where others have a tenant's own
EVERYBODY_S = ("GET /v1/base-models", "GET /v1/budget")  # what is for sale, and what one has spent: nothing so far
rivals = count()


@dataclass
class Owner:
    """The tenant whose things are asked for; `things` are ids, one of each kind, by their name in paths and bodies."""

    world: World
    things: dict[str, str]

    def state(self) -> tuple[list[Any], list[Any]]:
        """Every row and every object that is his."""
        return self.rows_of(self.world.tenant), self.objects_of(self.world.tenant)

    def rows_of(self, tenant: str) -> list[Any]:
        """Every row in which a tenant is named, and no other whose name begins with his."""
        pages = self.world.dynamodb.get_paginator("scan").paginate(TableName=TABLE)
        named = re.compile(rf"{tenant}(?![a-z0-9-])")
        rows = [item for page in pages for item in page["Items"] if named.search(json.dumps(item))]
        return sorted(rows, key=lambda row: (row["pk"]["S"], row["sk"]["S"]))

    def objects_of(self, tenant: str) -> list[Any]:
        """Every version of every object below a tenant's prefixes."""
        objects = self.world.s3.list_object_versions(Bucket=BUCKET).get("Versions", [])
        return [(version["Key"], version["VersionId"]) for version in objects if version["Key"].split("/")[1] == tenant]

    def told_in(self, text: str) -> list[str]:
        """What of his stands in an answer to somebody else, who did not send it himself."""
        return [secret for secret in (self.world.tenant, SAID, self.world.key, "ft:") if secret in text]


@pytest.fixture
def owner(live: World) -> Owner:
    """A tenant with two of everything."""
    for lines in (60, 70):
        steps.settled(live, [*steps.questions(lines), *steps.support(1)])
        run = steps.followed(live, steps.runs(live)[0]["id"])
        live.settle()
    for number in (2, 1):
        steps.decide(live, "activate", {"version": number})
    live.call("POST /v1/datasets", "/v1/datasets", {"id": "support-2"})
    [evaluation, *_] = live.call("GET /v1/evaluations", "/v1/evaluations").body["data"]
    inference = steps.ask(live, SAID, user="user-1").body["id"]
    live.settle()
    listing = "/v1/datasets/support/examples"
    [example] = live.call("GET /v1/datasets/{dataset}/examples", listing, limit="1").body["data"]
    things = {"dataset": "support", "model": "support", "run": run["id"], "job": run["id"], "export": run["export"]}
    things |= {"example": example["id"], "number": "1"}
    things["drop"] = live.call("GET /v1/datasets/{dataset}/drops", "/v1/datasets/support/drops").body["data"][0]["id"]
    things["file"] = live.call("POST /v1/files", "/v1/files", FORMS["POST /v1/files"]).body["id"]
    for subject in ("user-2", "user-1"):
        erasure = live.call("POST /v1/erasures", "/v1/erasures", {"subject": subject}).body["id"]
        things |= {"subject": subject, "erasure": erasure}
    return Owner(live, {**things, "evaluation": evaluation["id"], "inference_id": inference})


def asked(operation: Operation, owner: Owner, key: str) -> Answer:
    """The route with the owner's ids in its path and wherever its body has a place for one."""
    unknown = set(operation.names) - owner.things.keys()
    assert not unknown, f"{operation.route}: make a thing for {unknown} in the fixture `owner`"
    fields = (operation.body or {}).get("properties", {}).keys() & owner.things.keys()
    fields -= NAMES_OF_PROVIDERS.get(operation.route, set())
    return operation.send(owner.world, owner.things, key, **{name: owner.things[name] for name in fields})


def a_rival(world: World) -> tuple[str, str]:
    """A tenant who has nothing yet and is named almost like the owner, with a key that may do everything."""
    tenant = f"{world.tenant}-{next(rivals)}"
    return tenant, world.new_key(*Scope, tenant=tenant)


def test_another_tenant_s_things_are_not_there(owner: Owner) -> None:
    before = owner.state()

    for operation in OPERATIONS:
        rival, key = a_rival(owner.world)
        answer = asked(operation, owner, key)
        if answer.status == 404:
            refused(answer, 404)
        elif operation.route in EVERYBODY_S:
            assert answer.status == 200, (operation.route, answer.text)
        elif operation.route.startswith("GET"):
            assert (answer.status, answer.body["data"]) == (200, []), (operation.route, answer.text)
        else:  # it made the rival a thing of that name
            assert operation.route.startswith("POST") or FREE_NAMES & {*operation.names}, (operation.route, answer.text)
            assert answer.status in (200, 201, 202), (operation.route, answer.text)
        assert not owner.told_in(answer.text.replace(rival, "")), (operation.route, answer.text)
        assert owner.state() == before, operation.route

    assert len(before[0]) > 20
    assert before[1]


def test_the_same_requests_are_good_with_the_owner_s_own_key(owner: Owner) -> None:
    for operation in sorted(OPERATIONS, key=lambda call: call.route.startswith("DELETE")):  # what is gone is gone
        answer = asked(operation, owner, owner.world.key)
        refused_for_all = answer.status == 409 or '"code":"not_supported"' in answer.text
        assert answer.status < 400 or refused_for_all, (operation.route, answer.text)


def listed(operation: Operation, owner: Owner, key: str, **query: str) -> Answer:
    path = path_of(operation.route, owner.things)
    return owner.world.call(operation.route, path, key=key, **QUERIES.get(operation.route, {}), **query)


def forged(cursor: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()


def test_another_tenant_s_cursor_leads_nowhere(owner: Owner) -> None:
    for operation in LISTS:
        rival, key = a_rival(owner.world)
        theirs = listed(operation, owner, owner.world.key, limit="1").body["next_cursor"]
        assert theirs, operation.route
        parts = json.loads(base64.urlsafe_b64decode(theirs))
        mine = {name: text.replace(owner.world.tenant, rival) for name, text in parts.items()}
        own_partition = parts | {name: text for name, text in mine.items() if name in ("pk", "list_pk")}

        assert listed(operation, owner, owner.world.key, limit="1", cursor=theirs).body["data"], operation.route
        refused(listed(operation, owner, key, cursor=theirs), 404 if operation.names else 422)
        for cursor in (mine, own_partition, parts | {"list_pk": mine.get("list_pk", "")}):
            answer = listed(operation, owner, key, cursor=forged(cursor))
            assert answer.status in (404, 422) or answer.body["data"] == [], (operation.route, answer.text)
            assert owner.things["run"] not in answer.text


def test_a_cursor_that_was_tampered_with_is_refused(owner: Owner) -> None:
    for operation in LISTS:
        cursor = listed(operation, owner, owner.world.key, limit="1").body["next_cursor"]
        parts = json.loads(base64.urlsafe_b64decode(cursor))
        partition = "list_pk" if "list_pk" in parts else "pk"
        spoiled = [
            cursor[1:],
            cursor[:-4],
            "x" + cursor,
            forged(parts | {partition: parts[partition] + "x"}),
            forged(parts | {partition: "TENANTS"}),
            forged({name: value for name, value in parts.items() if name != "sk"}),
            forged(parts | {"sk": 7}),
            forged(parts | {"extra": "x"}),
        ]
        for cursor in spoiled:
            refused(listed(operation, owner, owner.world.key, cursor=cursor), 422, param="cursor")
