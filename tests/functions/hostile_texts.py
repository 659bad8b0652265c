"""Hostile texts: texts that models and apps really write, and that some reader or writer of JSON chokes on."""

import json
from random import Random
from typing import Any

from tests.examples import chat

HALVES = ("\\ud83d", "\\ud800", "\\udc00", "\\udfff", "\\uD83D", "\\ude00\\ud83d")
NUMBERS = (
    *("1e999", "-1e999", "1E400", "0.1e-400", "NaN", "-Infinity", "-0", "00", "1_0"),
    *("1" * 30, "9" * 400, "9" * 5000),
)
ESCAPES = (
    *HALVES,
    *("\\u0000", "\\ud83d\\ude00", "\\u2028", "\\ufeff", '\\"', "\\\\", "\\/", "\\b"),
    *("\\u", "\\ud83", "\\x41"),
)
CHARACTERS = (
    *("\x00", "\x7f", "\u2028", "\ufeff", "\U0001f600", "\ufffe", "e\u0301"),
    *("{", "[", '"', "\\", "\n", "<|endoftext|>"),
)
# What was seen, or stands for a kind of what may come; each is the text of an answer.
CONSTANTS = (
    '{"a":"\\ud800"}',  # an emoji that `max_tokens` cut in two
    '["\\udc00"]',
    '{"\\ud83d":1}',  # in a name
    '{"a":"\\ud83d","a":"\\ude00"}',
    json.dumps({"a": '{"b":"\\ud800"}'}),  # JSON inside JSON
    json.dumps({"a": json.dumps({"b": '{"c":"\\udfff"}'})}),
    "[" * 70 + "]" * 70,
    "[" * 900 + "]" * 900,
    '{"a":' * 950 + "1" + "}" * 950,
    "[" * 9_000,
    '{"a":1e999}',
    '{"a":NaN}',
    '[Infinity,"\\ud800"]',
    '{"a":' + "9" * 5000 + "}",
    '{"a":18446744073709551616}',
    '{"a":1,"a":2}',
    '{"a":"\\ud83d',  # cut off
    "{",
    '{"a":"\x00"}',
    '\ufeff{"a":"\\ud800"}',
    '"\\ud800"',
    "\\ud800",
)


def text_by(dice: Random, depth: int = 3) -> str:
    """The text of an answer: JSON or nearly so, whose strings may be such texts again."""
    kind = dice.random()
    if depth and kind < 0.7:
        return _cut(dice, _json_by(dice, depth))
    return "".join(dice.choice(CHARACTERS + ESCAPES + ("word ", "a", " ")) for _ in range(dice.randint(1, 12)))


def row_by(dice: Random, number: int) -> dict[str, Any]:
    """An example with hostile texts wherever a text may stand, and a question that no other has."""
    asked, text = (
        f"What is {number}? {text_by(dice)}",
        dice.choice(CONSTANTS) if dice.random() < 0.2 else text_by(dice),
    )
    ours = {name: f"x{text_by(dice, 1)}"[:40] for name in ("subject", "category", "group") if dice.random() < 0.2}
    form = dice.randrange(4)
    if form == 0:
        call = {"id": "call-1", "type": "function", "function": {"name": "look", "arguments": text}}
        called = {"role": "assistant", "tool_calls": [call]}
        told = {"role": "tool", "tool_call_id": "call-1", "content": text_by(dice) or "x"}
        tools = [{"type": "function", "function": {"name": "look", "description": text_by(dice)}}]
        row = chat(asked, f"x {text}", **ours)
        return row | {"messages": [row["messages"][0], called, told, row["messages"][1]], "tools": tools}
    if form == 1:
        said = [{"type": "text", "text": f"x {text_by(dice)}"}]
        return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}], **ours}
    if form == 2:
        outputs = [[{"role": "assistant", "content": f"{said} {text}"}] for said in ("yes", "no")]
        pair = dict(zip(("preferred_output", "non_preferred_output"), outputs, strict=True))
        return {"input": {"messages": [{"role": "user", "content": asked}]}, **pair, **ours}
    return chat(asked, text if text.strip() else "x", **ours)


def _json_by(dice: Random, depth: int) -> str:
    kind = dice.randrange(5)
    if kind == 0:
        return dice.choice(NUMBERS)
    if kind == 1:
        return json.dumps(text_by(dice, depth - 1))
    if kind == 2:
        return '"' + "".join(dice.choice((*ESCAPES, "a", " ")) for _ in range(dice.randint(0, 4))) + '"'
    parts = [_json_by(dice, depth - 1) if depth > 1 else '"\\ud800"' for _ in range(dice.randint(0, 3))]
    if kind == 3:
        return "[" + ", ".join(parts) + "]"
    names = ("a", "b", "\\ud800", "\\u0061")
    return "{" + ",".join(f'"{dice.choice(names)}": {part}' for part in parts) + "}"


def _cut(dice: Random, text: str) -> str:
    """A text, sometimes cut off as `max_tokens` does."""
    return text[: dice.randint(1, len(text))] if dice.random() < 0.2 and text else text
