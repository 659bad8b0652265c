"""Evaluations whose answers a test writes itself: a version with a prompt of its own against the base model."""

from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import Any

from tests.examples import chat
from tests.functions import steps
from tests.functions.providers import ProviderProxy
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.serving.models import Version
from tuneloop.openai_wire.chat import ChatCompletion
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut

EVALUATIONS = "/v1/evaluations"
GONE = "The provider refused the call: 404 model_not_found."
AWAY = "The provider can't answer now (APIConnectionError). Try again later."
ANSWERS = ("late", "lost")
Request = dict[str, Any]


def expected_answer(number: int) -> str:
    return ANSWERS[number % 2]


def lines(rows: int) -> list[dict[str, Any]]:
    """Test rows on which no single answer is right more than half of the time."""
    return [chat(f"What of parcel {number}?", expected_answer(number)) for number in range(rows)]


def prepare_comparison(
    world: World, rows: list[dict[str, Any]], prompts: tuple[str, ...] = ("v1",)
) -> list[dict[str, Any]]:
    """A frozen export with those test rows, and a version for each prompt; gives the requests to evaluate them."""
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "support", "on_drop": "collect"})
    world.drop("support", steps.questions(30, split="train"))
    if rows:
        world.drop("support", rows, name="test/own.jsonl")
    world.schedule("collect-examples")
    world.settle()
    [export] = app.exports.page(world.tenant, "support", 10, None).data
    body = {"model": "support", "dataset": "support", "export": export.id}
    return [body | {"version": steps.registered(world, prompt=prompt, is_finetuned=True)} for prompt in prompts]


def request_evaluation(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Ask for an evaluation; gives it as it is then."""
    answer = world.call("POST /v1/evaluations", EVALUATIONS, body)
    assert answer.status == 202, answer.text
    asked: dict[str, Any] = answer.body
    return asked


def as_promotion(body: dict[str, Any]) -> dict[str, Any]:
    """The request of somebody who wants a version that proves better to be activated."""
    return body | {"promote": True}


def read_evaluation(world: World, evaluation: str) -> dict[str, Any]:
    """An evaluation as its user sees it."""
    found: dict[str, Any] = world.call("GET /v1/evaluations/{evaluation}", f"{EVALUATIONS}/{evaluation}").body
    return found


def list_evaluations(world: World) -> list[dict[str, Any]]:
    """All evaluations, oldest first."""
    listed: list[dict[str, Any]] = world.call("GET /v1/evaluations", EVALUATIONS).body["data"]
    return listed[::-1]


def evaluate_to_end(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """An evaluation that was asked for, once nothing moves any more."""
    asked = request_evaluation(world, body)
    world.settle()
    return read_evaluation(world, asked["id"])


def change_version(world: World, number: int, **changes: Any) -> None:
    """Change a version behind everybody's back."""
    version = app.models.version(world.tenant, "support", number)
    stored: Version = version.model_copy(update=changes)
    app.table.commit(ConditionalPut(keys.version(world.tenant, "support", number), stored))


def arm_of(request: Request) -> str:
    """The prompt of the version that is asked; `base` for the base model, which has none."""
    first = request["messages"][0]
    return str(first["content"]) if first["role"] == "system" else "base"


def question_in(request: Request) -> str:
    return str(request["messages"][-1]["content"])


def number_in(request: Request) -> int:
    """The number of the parcel that is asked about."""
    return int(question_in(request).removeprefix("What of parcel ").removesuffix("?"))


def refuse() -> str:
    raise ProviderRefused(GONE)


def be_away() -> str:
    raise ProviderUnavailable(AWAY)


class ScriptedProvider(ProviderProxy):
    """Gives the answers of a script, a text or a whole message; counts what was answered, by prompt and question.

    What a rival does meanwhile is done beside it, since he may ask too.
    """

    def __init__(self, script: Callable[[Request], str | dict[str, Any]]) -> None:
        super().__init__()
        self.script = script
        self.meanwhile: Callable[[], None] = lambda: None
        self.sent: list[Request] = []
        self.answered: Counter[tuple[str, str]] = Counter()
        self.alone = Lock()

    def complete(self, request: Request, timeout_s: float) -> ChatCompletion:
        assert timeout_s > 0
        self.meanwhile()
        with self.alone:
            self.sent.append(request)
            said = self.script(request)
            self.answered[arm_of(request), question_in(request)] += 1
        message = {"role": "assistant", "content": said} if isinstance(said, str) else said
        usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
        fields = {"id": "chatcmpl-1", "choices": [{"index": 0, "message": message}], "usage": usage}
        return ChatCompletion.model_validate(fields)


def answers_known_to(*arms: str) -> Callable[[Request], str]:
    """These arms know every answer; the others say what is never right."""
    return lambda request: expected_answer(number_in(request)) if arm_of(request) in arms else "never"
