"""Asks a version the test rows, eight at a time, and stores the answers in S3.

The objects of an evaluation are its versions as they were when it began, the rows that it leaves out, and its answers.
The answers of an arm are stored in parts, each written once; parts differ in size, as a part holds the rows that were
answered in its time. The evaluation's row counts the parts of each arm.
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
from tuneloop.domain.evaluation.evaluations import ArmName, Evaluation, ScoredAnswer, is_right
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.serving.models import Version
from tuneloop.domain.serving.routing import chat_request_of, request_for
from tuneloop.openai_wire.chat import ChatCompletion
from tuneloop.providers.answers import call_tokens
from tuneloop.providers.port import Provider
from tuneloop.store.objects.bucket import Objects

# Bounds the load on a provider, whose limits per minute are shared with the calls of users, and the number of time-outs
# that are waited for once the provider has become unavailable.
ROWS_AT_ONCE = 8
# Time-out of one try at one row. With the waits below it bounds by how much a part may exceed its time.
ANSWER_TIMEOUT_S = 30.0
# Seconds between the tries at one row, so that a provider's short outage doesn't end a part.
RETRY_WAITS_S = (0.5, 2.0, 5.0)
LONGEST_ANSWER_S = ANSWER_TIMEOUT_S * (len(RETRY_WAITS_S) + 1) + sum(RETRY_WAITS_S)


@dataclass(frozen=True)
class EvaluationObjects:
    """The objects in S3 that evaluations read and write; NotFound where one is gone."""

    objects: Objects

    def test_rows(self, export: Export, removed: Collection[int], most: int) -> dict[int, Example]:
        """The test rows to ask, by row number: all but the removed, or of those the `most` with the smallest ids.

        Ids are hashes of content, so the choice doesn't depend on any answer.
        """
        removed_rows = frozenset(removed)
        numbered = enumerate(self.rows_of(export, Split.TEST))
        remaining = (row for row in numbered if row[0] not in removed_rows)
        chosen = nsmallest(most, remaining, key=lambda row: (row[1].id, row[0]))
        return dict(sorted(chosen, key=itemgetter(0)))

    def rows_of(self, export: Export, split: Split) -> Iterator[Example]:
        """The examples of one file of an export, in the file's order."""
        for line in self.objects.lines(export.files[split].key):
            content = orjson.loads(line)
            yield Example(id=digest(canonical(content)), content=content)

    def write_versions(self, evaluation: Evaluation, versions: Iterable[Version]) -> None:
        """Store the versions with the prompts and parameters that they have now."""
        lines = (version.model_dump_json().encode() + b"\n" for version in versions)
        self.objects.put(f"{_folder(evaluation)}/versions.jsonl", b"".join(lines))

    def read_versions(self, evaluation: Evaluation) -> list[Version]:
        """The versions as they were when the evaluation began."""
        lines = self.objects.lines(f"{_folder(evaluation)}/versions.jsonl")
        return [Version.model_validate_json(line) for line in lines]

    def write_removed(self, evaluation: Evaluation, rows: "array[int]") -> None:
        """Store the numbers of the test rows that no version is asked, since one has seen them in training."""
        self.objects.put(f"{_folder(evaluation)}/removed.bin", rows.tobytes())

    def read_removed(self, evaluation: Evaluation) -> "array[int]":
        """The numbers of the test rows that no version is asked."""
        rows = array("Q")
        with self.objects.download(f"{_folder(evaluation)}/removed.bin") as content:
            rows.frombytes(content.read())
        return rows

    def write_part(self, evaluation: Evaluation, arm: ArmName, answered: list[ScoredAnswer]) -> None:
        """Store answers of one arm as the arm's next part."""
        lines = (answer.model_dump_json(exclude_none=True).encode() + b"\n" for answer in answered)
        self.objects.put(_part_key(evaluation, arm, evaluation.parts.get(arm, 0)), b"".join(lines))

    def read_parts(self, evaluation: Evaluation, arm: ArmName, rows: Container[int]) -> dict[int, ScoredAnswer]:
        """The answers that one arm has given to these rows so far, by row number."""
        keys = [_part_key(evaluation, arm, part) for part in range(evaluation.parts.get(arm, 0))]
        answers = (ScoredAnswer.model_validate_json(line) for key in keys for line in self.objects.lines(key))
        return {answer.row: answer for answer in answers if answer.row in rows}


def _folder(evaluation: Evaluation) -> str:
    return f"evaluations/{evaluation.tenant}/{evaluation.id}"


def _part_key(evaluation: Evaluation, arm: ArmName, part: int) -> str:
    return f"{_folder(evaluation)}/{arm}-{part:07d}.jsonl"


class AnswerBatch(NamedTuple):
    """Answers in the order of their rows, and the first error of a provider that was unavailable for other rows."""

    answered: list[ScoredAnswer]
    outage: ProviderUnavailable | None


def ask_rows(
    version: Version, rows: list[tuple[int, Example]], provider: Provider, is_time_up: Callable[[], bool]
) -> AnswerBatch:
    """Ask a version numbered rows; no row is begun once the time is up or the provider is taken for unavailable.

    A provider is taken for unavailable when as many rows as are asked at once got no answer; with fewer, the rows may
    be the cause. Rows that are being answered by then are waited for and kept, as they are paid for.
    """
    outages: list[ProviderUnavailable] = []

    def ask_one(numbered: tuple[int, Example]) -> ScoredAnswer | None:
        """The answer to a row; None once the time is up or the provider is taken for unavailable."""
        if len(outages) >= ROWS_AT_ONCE or is_time_up():
            return None
        try:
            return _answer_row(version, *numbered, provider)
        except ProviderUnavailable as error:
            outages.append(error)
            return None

    with ThreadPoolExecutor(ROWS_AT_ONCE) as pool:
        answered = [answer for answer in pool.map(ask_one, rows) if answer]
    return AnswerBatch(answered, outages[0] if outages else None)


def _answer_row(version: Version, row: int, example: Example, provider: Provider) -> ScoredAnswer:
    try:
        completion = _complete_with_retries(request_for(version, chat_request_of(example)), provider)
    except ProviderRefused as error:  # for this row alone: a content filter, or too long a context
        return ScoredAnswer(row=row, right=False, error=replace_halves(error.message))
    # Half a surrogate pair can't be encoded: the part could never be stored, and its rows would be asked, and paid for,
    # again and again.
    answer = replace_halves(answer_of(completion.choices[0].message.model_dump())) if completion.choices else ""
    tokens = call_tokens(completion.usage)
    return ScoredAnswer(
        row=row,
        right=is_right(answer, answer_of(example.messages[-1])),
        answer=answer,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cached_tokens=tokens.cached or 0,
        cache_is_unclear=tokens.cached is None,
    )


def _complete_with_retries(request: dict[str, Any], provider: Provider) -> ChatCompletion:
    for wait in RETRY_WAITS_S:
        try:
            return provider.complete(request, timeout_s=ANSWER_TIMEOUT_S)
        except ProviderUnavailable:
            time.sleep(wait)
    return provider.complete(request, timeout_s=ANSWER_TIMEOUT_S)
