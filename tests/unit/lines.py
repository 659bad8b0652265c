"""Strategies for training lines: mostly good ones, in which now and then one thing is something else."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.unit.factories import JSON
from tuneloop.cli.file_statistics import count_example
from tuneloop.domain.chat.examples import Example
from tuneloop.domain.chat.messages import ROLES
from tuneloop.domain.datasets.records import read_record
from tuneloop.validation.line_checks import check_line, fast_check, full_check
from tuneloop.validation.line_parser import record_of


def either(usual: Any, odd: Any = JSON, one_in: int = 40) -> Any:
    """Mostly the one, now and then the other."""
    return st.sampled_from([*[False] * (one_in - 1), True]).flatmap(lambda drawn: odd if drawn else usual)


SAID = st.sampled_from(["hello", "Où est-il ?", "<|endoftext|>", '{"a": 1}', "null", "{}", '""', "x" * 200, "\u017f"])
TEXTS = either(SAID | st.text(min_size=1, max_size=30), st.sampled_from(["", " ", "\u00a0\n"]))
NAMES = either(st.sampled_from(["refund", "find_order"]), st.sampled_from(["a b", "x" * 65, "refund\n", "", "Zoë"]))
IDS = either(st.sampled_from(["c1", "c2"]), st.just(""))
URLS = either(
    st.sampled_from(["https://example.org/a.png", "HTTP://e.org/a", "data:image/png;base64,iVBORw0="]),
    st.sampled_from(["ftp://e.org", "data:,", "https://", "data:image/gif;base64,iVBORw0=", "https://e.org\n"]),
)
IMAGES = st.fixed_dictionaries({"url": URLS}, optional={"detail": either(st.sampled_from(["auto", "low"]))})
TEXT_PARTS = st.fixed_dictionaries({"type": st.just("text"), "text": either(TEXTS)})
PICTURES = st.fixed_dictionaries({"type": either(st.just("image_url")), "image_url": either(IMAGES)})


def contents(role: str) -> Any:
    """What a message of that role says."""
    parts = TEXT_PARTS | PICTURES if role == "user" else either(TEXT_PARTS, PICTURES)
    return either(TEXTS | either(st.lists(parts, min_size=1, max_size=3), st.just([])))


CALLED = st.fixed_dictionaries({"name": NAMES, "arguments": either(TEXTS)})
CALLS = st.fixed_dictionaries({"id": either(IDS), "type": either(st.just("function")), "function": either(CALLED)})
OF_ROLE: dict[str, Any] = {
    "tool": {"tool_call_id": IDS},
    "assistant": {"weight": either(st.sampled_from([0, 1])), "refusal": either(st.none())},
    "function": {"name": NAMES},
}


def messages(role: str, **more: Any) -> Any:
    """A message of that role."""
    required = {"role": either(st.just(role)), "content": contents(role)} | more
    own = {} if more else OF_ROLE.get(role, {})
    return st.fixed_dictionaries(required, optional={"name": either(NAMES)} | own)


CALLING = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.none() | TEXTS, "tool_calls": st.lists(CALLS, min_size=1, max_size=2)}
)
ASKED = st.tuples(CALLING, messages("tool", tool_call_id=IDS))
TURNS = st.sampled_from(ROLES[:4]).flatmap(lambda role: messages(role).map(lambda message: [message]))
TALKS = st.lists(
    either(TURNS | ASKED.map(list), st.sampled_from(ROLES).flatmap(messages).map(lambda each: [each])),
    max_size=4,
).map(lambda turns: [message for turn in turns for message in turn])
FUNCTIONS = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "description": either(TEXTS),
        "parameters": either(st.dictionaries(TEXTS, JSON, max_size=2)),
        "strict": either(st.booleans()),
    },
)
TOOLS = st.fixed_dictionaries({"type": either(st.just("function")), "function": either(FUNCTIONS)})
ANSWERS = st.builds(lambda text: {"role": "assistant", "content": text}, contents("assistant"))
OURS = {
    "split": either(st.sampled_from(["train", "test", None])),
    "subject": either(TEXTS),
    "category": either(TEXTS, st.just("x" * 600)),
    "source": either(st.sampled_from(["app", None]), st.just("correction")),
    "quality": either(st.floats(0, 1), st.floats(-0.5, 1.5)),
    "created_at": either(st.sampled_from(["2026-11-21T10:00:00Z", "2026-11-21"]), st.just("0001-01-01T00:00:00+14:00")),
}
ODD = {"id": JSON, "x": JSON}
GIVEN = {"tools": either(st.lists(TOOLS, max_size=1)), "parallel_tool_calls": either(st.booleans())}
SYSTEM = {"role": "system", "content": "Be kind."}
ENDED = st.builds(lambda talk, answer: [SYSTEM, *talk, answer], TALKS, ANSWERS)
SUPERVISED = st.fixed_dictionaries({"messages": either(ENDED, TALKS | JSON)}, optional=GIVEN | OURS)
PREFERENCES = st.fixed_dictionaries(
    {
        "input": either(
            st.fixed_dictionaries({"messages": either(TALKS.map(lambda talk: [SYSTEM, *talk]))}, optional=GIVEN)
        ),
        "preferred_output": either(st.lists(ANSWERS, min_size=1, max_size=1)),
        "non_preferred_output": either(st.lists(ANSWERS, min_size=1, max_size=1)),
    },
    optional=OURS,
)
ROWS = either(
    SUPERVISED | PREFERENCES,
    st.builds(lambda row, more: row | more, SUPERVISED | PREFERENCES, st.fixed_dictionaries({}, optional=ODD)),
)
LINES = st.builds(
    lambda row, ascii_only, indent: json.dumps(row, ensure_ascii=ascii_only, separators=indent).encode(
        "utf-8", "replace"
    ),
    ROWS,
    st.booleans(),
    st.sampled_from([(",", ":"), (", ", ": ")]),
)


def assert_checks_agree(line: bytes) -> None:
    """The fast check takes no line that the full check refuses, and gives the same for what it takes."""
    found, by_the_rules = fast_check(line), full_check(record_of(line, 1))

    if found is not None:
        assert found == by_the_rules
    assert check_line(line, 1) == by_the_rules


def count_by_rules(line: bytes) -> object:
    """What the full rules count of a line; None of one that they refuse."""
    found = read_record(record_of(line, 1))
    return count_example(found) if isinstance(found, Example) else None
