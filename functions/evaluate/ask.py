"""Test rows are asked of a version, eight at a time; each answer is right or wrong."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from tuneloop.domain.chat.examples import Example, answer_of
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.core.json_values import replace_halves
from tuneloop.domain.evaluation.evaluations import Answered, is_right
from tuneloop.domain.serving.models import Version
from tuneloop.domain.serving.requests import chat_request_of, request_for
from tuneloop.openai_wire.chat import ChatCompletion
from tuneloop.providers.answers import call_tokens
from tuneloop.providers.port import Provider

# Bounds the load on a provider, whose limits per minute the calls of users share, and how many answers are waited for
# in vain where it goes away.
AT_ONCE = 8
ANSWER_S = 30.0  # with the waits below it bounds how long after its time a part may end
WAITS_S = (0.5, 2.0, 5.0)  # between tries of one row, so that a provider's short breakdown doesn't end a part
LONGEST_ANSWER_S = ANSWER_S * (len(WAITS_S) + 1) + sum(WAITS_S)


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
