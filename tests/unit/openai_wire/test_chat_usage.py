"""Usage as servers write it: what is told is read, and what isn't is never a zero."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.openai_wire.chat import CompletionUsage

Read = tuple[int | None, int | None, int | None]
COUNTS = st.integers(1, 10**6)
NONSENSE: st.SearchStrategy[Any] = st.sampled_from(
    [None, -1, "many", "-3", "1.5", 1.5, True, False, [], {}, 1e300, 10**40, "١٢"]
)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({}, (None, None, None)),
        ({"prompt_tokens": None, "completion_tokens": None}, (None, None, None)),
        ({"prompt_tokens": 12, "completion_tokens": 3}, (12, 3, 15)),
        ({"prompt_tokens": 12.0, "completion_tokens": "3"}, (12, 3, 15)),
        ({"prompt_tokens": 12, "completion_tokens": 0}, (12, 0, 12)),
        # Servers that count nothing write zeros, and there is no prompt without tokens.
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (None, 0, 0)),
        ({"prompt_tokens": -5, "completion_tokens": 3}, (None, 3, None)),
        ({"prompt_tokens": "many", "completion_tokens": 3, "total_tokens": 15}, (12, 3, 15)),
        ({"prompt_tokens": 12, "total_tokens": 15}, (12, 3, 15)),
        ({"completion_tokens": 3, "total_tokens": 15}, (12, 3, 15)),
        ({"prompt_tokens": 12, "total_tokens": 5}, (12, None, 5)),
        ({"completion_tokens": 15, "total_tokens": 15}, (None, 15, 15)),
        ({"total_tokens": 15}, (None, None, 15)),
        ({"input_tokens": 12, "output_tokens": 3}, (12, 3, 15)),
        ({"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}, (12, 3, 15)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "input_tokens": 12, "output_tokens": 3}, (12, 3, 15)),
        ({"prompt_tokens": 12, "output_tokens": 3}, (12, 3, 15)),
        ({"inputTokens": 12, "outputTokens": 3, "totalTokens": 15}, (12, 3, 15)),
        ({"inputTokens": 2, "outputTokens": 3, "cacheReadInputTokens": 8, "cacheWriteInputTokens": 2}, (12, 3, 15)),
        ({"input_tokens": 2, "output_tokens": 3, "cache_read_input_tokens": 10}, (12, 3, 15)),
        ({"prompt_tokens": 12, "completion_tokens": 3, "cache_read_input_tokens": 10}, (12, 3, 15)),
        # What a model thought stands in the total alone with some servers.
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 100}, (10, 90, 100)),
        ({"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1500}, (1000, 500, 1500)),
        ({"input_tokens": 10, "output_tokens": 5, "total_tokens": 100}, (10, 90, 100)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 12}, (10, 5, 12)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": "many"}, (10, 5, 15)),
        (
            {"prompt_tokens": 12, "completion_tokens": 3, "cache_read_input_tokens": 85, "total_tokens": 100},
            (97, 3, 100),
        ),
    ],
)
def test_tokens_are_read_under_every_name_and_else_unknown(said: dict[str, Any], read: Read) -> None:
    usage = CompletionUsage.model_validate(said)

    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == read
    assert usage.is_complete is (None not in read[:2])


@pytest.mark.parametrize(
    ("said", "cached"),
    [
        ({}, 0),
        ({"prompt_tokens_details": None}, 0),
        ({"prompt_tokens_details": "none"}, 0),
        ({"prompt_tokens_details": {"audio_tokens": 0}}, 0),
        ({"prompt_tokens_details": {"cached_tokens": None}}, 0),
        ({"prompt_tokens_details": {"cached_tokens": 80}}, 80),
        ({"prompt_tokens_details": {"cached_tokens": 100}}, 100),
        ({"input_tokens_details": {"cached_tokens": 80}}, 80),
        ({"prompt_tokens_details": {}, "input_tokens_details": {"cached_tokens": 80}}, 80),
        ({"prompt_cache_hit_tokens": 80, "prompt_cache_miss_tokens": 20}, 80),
        ({"cache_read_input_tokens": 80, "prompt_tokens_details": {"audio_tokens": 0}}, 80),
        ({"cached_tokens": 80}, 80),
        ({"cached_tokens": "80", "prompt_tokens_details": {"cached_tokens": 0}}, 80),
        ({"prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": 80}, 80),
        ({"prompt_tokens_details": {"cached_tokens": 0}, "input_tokens_details": {"cached_tokens": 80}}, 80),
        ({"prompt_tokens_details": {"cached_tokens": 80}, "cached_tokens": 30, "prompt_cache_hit_tokens": 0}, 80),
        ({"prompt_tokens_details": {"cached_tokens": 101}, "cached_tokens": 80}, 80),
        # Something is said to be cached, and not how much.
        ({"prompt_tokens_details": {"cached_tokens": 0}, "cached_tokens": 101}, None),
        ({"prompt_tokens_details": {"cached_tokens": 0}, "prompt_cache_hit_tokens": "most"}, None),
        # More than the prompt has, or no number: what was cached is not known.
        ({"prompt_tokens_details": {"cached_tokens": 101}}, None),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, None),
        ({"prompt_tokens_details": {"cached_tokens": "most"}}, None),
        ({"prompt_tokens_details": {"cached_tokens": True}}, None),
    ],
)
def test_cached_tokens_are_a_part_of_the_prompt_or_unknown(said: dict[str, Any], cached: int | None) -> None:
    usage = CompletionUsage.model_validate({"prompt_tokens": 100, "completion_tokens": 1} | said)

    assert usage.cached_tokens == cached


@given(COUNTS, COUNTS, NONSENSE)
def test_a_part_that_makes_no_sense_is_what_the_other_leaves(prompt: int, completion: int, nonsense: Any) -> None:
    told = {"total_tokens": prompt + completion}
    first = CompletionUsage.model_validate(told | {"prompt_tokens": nonsense, "completion_tokens": completion})
    second = CompletionUsage.model_validate(told | {"prompt_tokens": prompt, "completion_tokens": nonsense})
    neither = CompletionUsage.model_validate({"prompt_tokens": nonsense, "completion_tokens": nonsense})

    assert (first.prompt_tokens, second.completion_tokens) == (prompt, completion)
    assert (neither.prompt_tokens, neither.completion_tokens) == (None, None)


@given(COUNTS, COUNTS, st.integers(0, 10**6))
def test_what_was_read_once_reads_the_same_again(prompt: int, completion: int, cached: int) -> None:
    said = {"inputTokens": prompt, "outputTokens": completion, "cacheReadInputTokens": cached}
    once = CompletionUsage.model_validate(said)

    assert CompletionUsage.model_validate(once.model_dump()) == once
    assert (once.prompt_tokens, once.cached_tokens) == (prompt + cached, cached)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_a_total_is_read_once_whatever_is_beside_it(prompt: int, completion: int, rest: int, cached: int) -> None:
    told = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion + rest}
    once = CompletionUsage.model_validate(told | {"cached_tokens": cached, "cache_read_input_tokens": 0})

    assert CompletionUsage.model_validate(once.model_dump()) == once
    assert (once.prompt_tokens, once.completion_tokens) == (prompt, completion + rest)
    assert once.cached_tokens == (cached if cached <= prompt else None)
