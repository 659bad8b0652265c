"""The `tuneloop` command and the OpenAI client against the deployed stack, as an operator and an app use them."""

from functools import partial
from typing import Any

import httpx2
import openai
import pytest

from infra.schedules import EVERY_5_MINUTES, MONTHLY
from tests.e2e.conftest import SAMPLE, Command
from tests.e2e.waits import soon


def test_an_operator_drops_data_watches_the_run_and_asks_the_model(command: Command) -> None:
    command.key = command.ok("keys", "create", "shop").strip()
    api = command.api

    assert "incoming/shop/support/support.jsonl" in command.ok("drop", "shop", "support", str(SAMPLE))
    [run] = soon(lambda: api.get("/training-runs")["data"])
    watched = command.ok("runs", "watch", run["id"])
    soon(lambda: api.get("/models/support/history")["data"])

    assert "succeeded" in watched
    assert run["id"] in command.ok("runs", "list")
    assert f'"id": "{run["id"]}"' in command.ok("runs", "show", run["id"])
    asked = command.run("chat", "support", "My refund has not arrived yet, it has been two weeks.")
    assert asked.returncode == 0, asked.stderr
    assert "refund_status" in asked.stdout
    assert "version 1 (fine-tuned)" in asked.stderr


def test_a_revoked_key_is_refused_and_another_tenant_sees_nothing(command: Command) -> None:
    ours = command.ok("keys", "create", "first").strip()
    theirs = command.ok("keys", "create", "second").strip()
    command.key = ours
    command.api.post("/datasets", {"id": "secret"})
    command.key = theirs

    assert command.api.get("/datasets")["data"] == []
    other = httpx2.get(f"{command.stack.base_url}/datasets/secret", headers={"Authorization": f"Bearer {theirs}"})
    assert other.status_code == 404
    listed = command.ok("keys", "list", "second").splitlines()
    command.ok("keys", "revoke", "second", listed[1].split()[0])
    soon(lambda: _status(command, theirs) == 401, seconds=35)


def _status(command: Command, key: str) -> int:
    answer = httpx2.get(f"{command.stack.base_url}/datasets", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code


def test_the_openai_client_meets_refusals_in_its_own_shape(command: Command) -> None:
    key = command.ok("keys", "create", "app", "--scope", "read").strip()
    client = command.openai(key)

    with pytest.raises(openai.PermissionDeniedError, match="lacks the scope `infer`"):
        client.chat.completions.create(model="any", messages=[{"role": "user", "content": "hello"}])
    with pytest.raises(openai.AuthenticationError):
        command.openai("tl_unknown").models.list()
    assert client.models.list().data == []


def test_a_candidate_answers_its_share_and_streams(command: Command) -> None:
    command.key = command.ok("keys", "create", "team").strip()
    api = command.api
    api.post("/models", {"id": "helper"})
    prompt = 'Answer as JSON.\n\nPossible answers, one per line:\n{"colour": "red"}\n{"colour": "blue"}'
    made = api.post(
        "/models/helper/versions",
        {"provider_model": command.stack.base_model, "prompt": prompt, "is_finetuned": False},
    )
    soon(lambda: api.get("/models/helper/versions")["data"][0]["status"] == "ready")
    change = {"candidate": made["number"], "share": 0.5}
    api.put("/models/helper/deployment", change)
    client = command.openai()

    def version(user: str) -> int:
        messages: Any = [{"role": "user", "content": "the blue one please"}]
        answer: Any = client.chat.completions.create(model="helper", messages=messages, user=user)
        return int(answer.tuneloop["version"])

    versions = {user: version(user) for user in (f"user-{n}" for n in range(20))}
    assert set(versions.values()) == {0, 1}
    assert versions == {user: version(user) for user in versions}
    chosen = next(user for user, number in versions.items() if number == 1)
    stream = client.chat.completions.create(
        model="helper", messages=[{"role": "user", "content": "blue, please"}], user=chosen, stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == '{"colour": "blue"}'


def _has_run_on_schedule(command: Command, function: str) -> bool:
    return '"trigger":"every-5-minutes"' in command.stack.function_log(function)


def test_feedback_and_schedules_reach_their_functions(command: Command) -> None:
    command.key = command.ok("keys", "create", "voices").strip()
    api = command.api
    api.post("/models", {"id": "talker"})
    client = command.openai()
    answer = client.chat.completions.create(model="talker", messages=[{"role": "user", "content": "hello"}])

    api.post("/feedback", {"inference_id": answer.id, "rating": 4})
    before = len(command.stack.function_log("launch-finetune"))  # of other tests, some of which make it fail
    for schedule in (EVERY_5_MINUTES, MONTHLY):
        command.stack.fire(schedule)

    [row] = soon(lambda: [row for row in api.get("/usage", model="talker")["data"] if row["calls"]])
    assert (row["calls"], row["ratings"], row["rating_sum"]) == (1, 1, 4)
    for function in ("collect-examples", "launch-finetune", "check-status", "evaluate", "relay-events"):
        soon(partial(_has_run_on_schedule, command, function))
    assert '"level":"ERROR"' not in command.stack.function_log("launch-finetune")[before:]
