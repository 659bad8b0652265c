"""Test rows that a version has seen: as they are, reworded, or hidden in a form letter."""

from typing import Any

from tests.examples import chat
from tests.functions import scripted_evaluations
from tests.functions.datasets import collect
from tests.functions.exports import freeze_export
from tests.functions.scripted_evaluations import ScriptedProvider, question_in
from tests.world import World
from tuneloop.app import app
from tuneloop.domain.core.ids import digest
from tuneloop.store import keys

ROWS = 40
HOUR = 3600
Lines = list[dict[str, Any]]


def sentence(number: int) -> str:
    """Sixteen made-up words that stand in no other number's sentence in this order."""
    return " ".join(f"w{byte}" for byte in bytes.fromhex(digest("sentence", number))[:16])


def sentence_rows(first: int, last: int, **ours: Any) -> Lines:
    """Examples that ask different sentences, of numbers from `first` to before `last`."""
    return [
        chat(sentence(number), scripted_evaluations.expected_answer(number), **ours) for number in range(first, last)
    ]


def set_training_rows(world: World, number: int, rows: Lines, dataset: str = "earlier") -> None:
    """Let a version be one that was trained on these rows."""
    collect(world, [{**row, "split": "train"} for row in rows], dataset=dataset)
    export = freeze_export(world, dataset)["id"]
    scripted_evaluations.change_version(world, number, dataset=dataset, export=export, provider_model=f"ft:{dataset}")


def asked_questions(provider: ScriptedProvider) -> set[str]:
    """The questions that a provider was asked."""
    return {question_in(request) for request in provider.sent}


def count_looks(world: World) -> int:
    """How many looks were taken at the test rows of `support`."""
    found = world.dynamodb.scan(TableName=app.table.name)["Items"]
    return sum(row["pk"]["S"] == keys.look(world.tenant, "support", 0).pk for row in found)


def reword(row: dict[str, Any], word: str = "please") -> dict[str, Any]:
    """A row with a word put in front, as somebody would who wants it to look new."""
    [asked, answer] = row["messages"]
    return {**row, "messages": [{**asked, "content": f"{word} {asked['content']}"}, answer]}


def form_letter(number: int) -> dict[str, Any]:
    """An example whose question is a form letter: it differs from the others by a number alone."""
    asked = (
        "Dear shop, I write to you because I have now been waiting for longer than a week, nobody picks up the phone, "
        f"and the page where I could follow my parcel shows nothing at all; my order {number} is late, please help"
    )
    return chat(asked, ("late", "lost")[number % 2])
