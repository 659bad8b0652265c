"""Asking: a version answers test rows, eight at a time; each answer is right or wrong."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tuneloop.domain.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.evaluation import Answered, is_right
from tuneloop.domain.examples import Example
from tuneloop.domain.registry import Version
from tuneloop.domain.serving import request_for
from tuneloop.providers.base import Provider
from tuneloop.wire.chat import ChatCompletion

AT_ONCE = 8
ANSWER_S = 30.0
WAITS_S = (0.5, 2.0, 5.0)


def ask(version: Version, rows: list[Example], start: int, provider: Provider) -> list[Answered]:
    """The version's answers to rows numbered from `start`; raises ProviderUnavailable when it stays silent."""

    def one(numbered: tuple[int, Example]) -> Answered:
        return _answered(version, *numbered, provider)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, enumerate(rows, start)))


def _answered(version: Version, row: int, example: Example, provider: Provider) -> Answered:
    try:
        completion = _patiently(request_for(version, {"messages": example.prompt}), provider)
    except ProviderRefused as error:  # this row alone: a content filter, a context that is too long
        return Answered(row=row, right=False, error=error.code)
    usage = completion.usage
    return Answered(
        row=row,
        right=is_right(completion.text, example.answer),
        answer=completion.text,
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
    )


def _patiently(request: dict[str, Any], provider: Provider) -> ChatCompletion:
    for wait in WAITS_S:
        try:
            return provider.complete(request, timeout_s=ANSWER_S)
        except ProviderUnavailable:
            time.sleep(wait)
    return provider.complete(request, timeout_s=ANSWER_S)
