"""complete-chat: models listed, chats answered and their usage sent on its way."""

from tests.grants import state
from tests.grants.scene import scene
from tests.grants.stage import Stage

CHAT = "complete-chat"


@scene(CHAT, "GET /v1/models")
def models_are_listed(stage: Stage) -> None:
    state.model(stage)

    assert [found["id"] for found in stage.call("GET /v1/models")["data"]] == ["support"]


@scene(CHAT, "POST /v1/chat/completions")
def a_chat_is_answered_and_counted(stage: Stage) -> None:
    state.model(stage)

    messages = [{"role": "user", "content": "Where is my order?"}]
    answer = stage.call("POST /v1/chat/completions", {"model": "support", "messages": messages})

    assert stage.message("Usage")["id"] == answer["id"]


@scene(CHAT, "GET /v1/models/{model}/route")
def a_user_s_route_is_read(stage: Stage) -> None:
    state.model(stage)

    assert stage.call("GET /v1/models/support/route", user="user-1")["versions"] == [0]


@scene(CHAT, "$default")
def what_no_route_matches_is_refused_in_our_shape(stage: Stage) -> None:
    refused = stage.send("GET /v1/nothing")

    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_url")


@scene(CHAT, "GET /v1/models/{model}")
def a_model_is_read(stage: Stage) -> None:
    state.model(stage)

    assert stage.call("GET /v1/models/support:0")["id"] == "support:0"
