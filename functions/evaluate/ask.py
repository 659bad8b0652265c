"""Asks a version the test rows, eight at a time, and keeps the answers in S3.

An evaluation keeps its versions as they were when it began, the rows that it leaves out, and its answers. Answers lie
in parts that are written once. A part holds the rows that were answered in its time, so parts differ in size; how many
there are of each arm stands in the evaluation's row.
"""

import time
from array import array
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from heapq import nsmallest
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from tuneloop.domain.chat.examples import Example, Split
from tuneloop.domain.chat.messages import answer_of, canonical
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.core.ids import digest
from tuneloop.domain.core.json_values import replace_halves
from tuneloop.domain.evaluation.evaluations import Answered, ArmName, Evaluation, is_right
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import Version
from tuneloop.domain.serving.routing import chat_request_of, request_for
from tuneloop.openai_wire.chat import ChatCompletion
from tuneloop.providers.answers import call_tokens
from tuneloop.providers.port import Provider
from tuneloop.store.objects.bucket import Objects

# Rows that are asked at once. This bounds the load on a provider, whose limits per minute are shared with the calls of
# users, and the number of answers that are waited for in vain once the provider has gone away.
AT_ONCE = 8
# Time-out of one try. With the waits below it bounds by how much a part may exceed its time.
ANSWER_S = 30.0
# Waits between the tries of one row, so that a provider's short breakdown doesn't end a part.
WAITS_S = (0.5, 2.0, 5.0)
LONGEST_ANSWER_S = ANSWER_S * (len(WAITS_S) + 1) + sum(WAITS_S)


@dataclass(frozen=True)
class EvaluationObjects:
    """The objects that evaluations read and write; NotFound where one is gone."""

    objects: Objects

    def test_rows(self, export: Export, removed: Collection[int], most: int) -> dict[int, Example]:
        """The test rows to ask by their place in the file: all but the removed, or the `most` with the smallest ids.

        Ids are hashes of content, so that no answer has a say in which rows these are.
        """
        left_out = frozenset(removed)
        numbered = enumerate(self.rows_of(export, Split.TEST))
        asked = nsmallest(
            most, (row for row in numbered if row[0] not in left_out), key=lambda row: (row[1].id, row[0])
        )
        return dict(sorted(asked, key=itemgetter(0)))

    def rows_of(self, export: Export, split: Split) -> Iterator[Example]:
        """The examples of one file of an export, in the file's order."""
        for line in self.objects.lines(export.files[split].key):
            content = orjson.loads(line)
            yield Example(id=digest(canonical(content)), content=content)

    def write_versions(self, evaluation: Evaluation, versions: Iterable[Version]) -> None:
        """Keep the versions with their prompts and parameters as they are now."""
        lines = (version.model_dump_json().encode() + b"\n" for version in versions)
        self.objects.put(f"{_folder(evaluation)}/versions.jsonl", b"".join(lines))

    def read_versions(self, evaluation: Evaluation) -> list[Version]:
        """The versions as they were when the evaluation began."""
        lines = self.objects.lines(f"{_folder(evaluation)}/versions.jsonl")
        return [Version.model_validate_json(line) for line in lines]

    def write_removed(self, evaluation: Evaluation, rows: "array[int]") -> None:
        """Keep the places of the test rows that no version is asked, since one has seen them in training."""
        self.objects.put(f"{_folder(evaluation)}/removed.bin", rows.tobytes())

    def read_removed(self, evaluation: Evaluation) -> "array[int]":
        """The places of the test rows that no version is asked."""
        rows = array("Q")
        with self.objects.download(f"{_folder(evaluation)}/removed.bin") as content:
            rows.frombytes(content.read())
        return rows

    def write_part(self, evaluation: Evaluation, arm: ArmName, answered: list[Answered]) -> None:
        """Store the answers of one arm to some rows as the arm's next part."""
        lines = (answer.model_dump_json(exclude_none=True).encode() + b"\n" for answer in answered)
        self.objects.put(_part_key(evaluation, arm, evaluation.parts.get(arm, 0)), b"".join(lines))

    def read_parts(self, evaluation: Evaluation, arm: ArmName, rows: Container[int]) -> dict[int, Answered]:
        """The answers of one arm to these rows so far, by row."""
        keys = [_part_key(evaluation, arm, part) for part in range(evaluation.parts.get(arm, 0))]
        answers = (Answered.model_validate_json(line) for key in keys for line in self.objects.lines(key))
        return {answer.row: answer for answer in answers if answer.row in rows}


def _folder(evaluation: Evaluation) -> str:
    return f"evaluations/{evaluation.tenant}/{evaluation.id}"


def _part_key(evaluation: Evaluation, arm: ArmName, part: int) -> str:
    return f"{_folder(evaluation)}/{arm}-{part:07d}.jsonl"


class Asked(NamedTuple):
    """The answers to the rows that got one, in order, and why the provider gave none to others, if it didn't."""

    answered: list[Answered]
    away: ProviderUnavailable | None


def ask(version: Version, rows: list[tuple[int, Example]], provider: Provider, is_over: Callable[[], bool]) -> Asked:
    """Ask a version numbered rows; none is begun once time is over or the provider has gone away.

    A provider has gone away when as many rows as are asked at once got no answer; before that it may be the row. What
    is being answered by then is waited for and kept, as it is paid for.
    """
    away: list[ProviderUnavailable] = []

    def ask_one(numbered: tuple[int, Example]) -> Answered | None:
        """The answer to a row; None once the time is over or the provider is taken for away."""
        if len(away) >= AT_ONCE or is_over():
            return None
        try:
            return _ask_row(version, *numbered, provider)
        except ProviderUnavailable as error:
            away.append(error)
            return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answered = [answer for answer in pool.map(ask_one, rows) if answer]
    return Asked(answered, away[0] if away else None)


def _ask_row(version: Version, row: int, example: Example, provider: Provider) -> Answered:
    try:
        completion = _complete_with_retries(request_for(version, chat_request_of(example)), provider)
    except ProviderRefused as error:  # this row alone: a content filter, a context that is too long
        return Answered(row=row, right=False, error=replace_halves(error.message))
    # A part that holds half a character can't be written, and its rows would be asked, and paid for, again for ever.
    answer = replace_halves(answer_of(completion.choices[0].message.model_dump())) if completion.choices else ""
    tokens = call_tokens(completion.usage)
    return Answered(
        row=row,
        right=is_right(answer, answer_of(example.messages[-1])),
        answer=answer,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cached_tokens=tokens.cached or 0,
        cache_is_unclear=tokens.cached is None,
    )


def _complete_with_retries(request: dict[str, Any], provider: Provider) -> ChatCompletion:
    for wait in WAITS_S:
        try:
            return provider.complete(request, timeout_s=ANSWER_S)
        except ProviderUnavailable:
            time.sleep(wait)
    return provider.complete(request, timeout_s=ANSWER_S)
