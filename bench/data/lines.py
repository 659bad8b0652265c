"""Generated chat lines for the benchmarks: a support desk in several languages, the same lines for the same seed.

A line has about 1.6 KB. Every sixth calls a tool, three in a hundred have no system prompt, one in a hundred repeats an
earlier line, and one in two hundred breaks a rule. Words are real ones, which tokenisers encode quickly; names, order
numbers and amounts are new on every line, which they encode slowly.
"""

import json
import random
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

INVALID, REPEATED, WITH_TOOLS, WITHOUT_SYSTEM = 0.005, 0.01, 1 / 6, 0.03
REMEMBERED = 500  # lines of which one may be repeated
SENTENCES = 20_000  # so many that lines have little in common, and no two are near duplicates by chance
COMMON = """
order parcel delivery refund card account payment transfer invoice address customer support question answer morning
yesterday tomorrow week month charged twice wrong broken missing late early waiting received returned replaced cancelled
confirmed declined pending amount balance currency exchange rate fee limit cash machine shop store online website app
phone email message number code password locked verify identity document passport proof statement bank branch colleague
because although however therefore before after during without within between against please thank sorry help need want
would could should might have been there their about which where when what who how every some many much more most other
blue green small large new old quick slow warm cold early possible certain different another several enough already
really usually sometimes never always again still only quite perhaps kitchen table chair lamp window garden bicycle
jacket shoes shirt coffee bread cheese apple water paper pencil notebook keyboard battery charger cable screen camera
the a to of and in that it is was for on with as at by from this or an be not are but they we you he she his her its our
working contacting understanding unfortunately immediately international subscription configuration administration
responsibility accommodation recommendation environment development independent manufacturer warranty certificate
"""
WORDS = COMMON.split()
ABROAD = [
    "Où est passée ma commande ? J'attends déjà depuis une semaine.",
    "Der Betrag wurde zweimal abgebucht, obwohl die Überweisung fehlgeschlagen ist.",
    "¿Podría decirme cuánto tarda la devolución a mi tarjeta?",
    "Não consigo aceder à minha conta desde ontem à noite.",
    "注文した荷物がまだ届いていません。いつ届きますか。",
    "我的银行卡昨天被自动取款机吞了，怎么办？",  # noqa: RUF001 - that is how Chinese is written
    "Мне пришёл счёт на сумму, которой я не узнаю.",
    "카드 결제가 두 번 되었는데 환불 받을 수 있나요?",
    "لم يصل الطرد بعد، هل يمكنكم التحقق من العنوان؟",
    "Bardzo proszę o zmianę adresu dostawy na nową ulicę.",
    "Thanks a lot 🙏 that was quick 🚀👍",
    "मेरा पैसा अभी तक वापस नहीं आया है।",
]
SYLLABLES = [consonant + vowel for consonant in "bdfghklmnprst" for vowel in "aeio"]
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"{what} Answers with the state that it is in then.",
            "parameters": {
                "type": "object",
                "properties": {"order": {"type": "string"}, "reason": {"type": "string"}},
                "required": ["order"],
            },
        },
    }
    for name, what in [("find_order", "Finds an order."), ("refund_order", "Pays an order back.")]
]
SYSTEMS = [
    f"You are the {desk} desk of a shop. Be {manner}, answer in the customer's language, never promise what you can't "
    "look up, and hand over to a colleague where money above 500 € is concerned. Don't repeat the question."
    for desk, manner in [("delivery", "brief"), ("returns", "friendly"), ("billing", "exact"), ("repairs", "patient")]
]


def chat_lines(count: int, seed: int = 0) -> Iterator[bytes]:
    """This number of lines, without line ends."""
    return islice(_lines(random.Random(seed)), count)  # noqa: S311 - the same lines each time, so no secrets


def _lines(rng: random.Random) -> Iterator[bytes]:
    desk = _Desk(rng)
    recent: deque[bytes] = deque(maxlen=REMEMBERED)
    while True:
        number = rng.random()
        if number < INVALID:
            yield _invalid_line(rng, desk.line())
        elif number < INVALID + REPEATED and recent:
            yield rng.choice(recent)
        else:
            recent.append(_encode(desk.line()))
            yield recent[-1]


class _Desk:
    """A support desk that draws its conversations from its own sentences."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        weights = [1 / (rank + 3) for rank in range(len(WORDS))]
        words = rng.sample(WORDS, len(WORDS))
        self._sentences = [
            " ".join(rng.choices(words, weights, k=rng.randint(5, 15))).capitalize() + rng.choice(".....?!")
            for _ in range(SENTENCES)
        ]

    def line(self) -> dict[str, Any]:
        """One conversation."""
        system = [{"role": "system", "content": self._rng.choice(SYSTEMS)}]
        if self._rng.random() < WITHOUT_SYSTEM:
            system = []
        if self._rng.random() < WITH_TOOLS:
            return {"messages": [*system, *self._tool_call_turns()], "tools": TOOLS}
        turns = [turn for _ in range(self._rng.randint(1, 3)) for turn in self._turns()]
        return {"messages": [*system, *turns]}

    def _turns(self) -> list[dict[str, Any]]:
        return [{"role": "user", "content": self._text(3)}, {"role": "assistant", "content": self._text(4)}]

    def _tool_call_turns(self) -> list[dict[str, Any]]:
        rng = self._rng
        call, order = f"call_{rng.getrandbits(64):x}", f"{rng.randrange(10**9):09d}"
        arguments = json.dumps({"order": order, "reason": self._text(1)}, ensure_ascii=False)
        function = {"name": rng.choice(TOOLS)["function"]["name"], "arguments": arguments}
        tool_call = {"id": call, "type": "function", "function": function}
        return [
            {"role": "user", "content": self._text(3)},
            {"role": "assistant", "content": None, "tool_calls": [tool_call]},
            {"role": "tool", "tool_call_id": call, "content": json.dumps({"order": order, "state": "sent"})},
            {"role": "assistant", "content": self._text(3)},
        ]

    def _text(self, sentences: int) -> str:
        rng = self._rng
        parts = rng.choices(self._sentences, k=sentences)
        name = "".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))).capitalize()
        parts.append(f"{name} {rng.randrange(10**6)}-{rng.randrange(1000)}: {rng.randrange(10**5) / 100:.2f} €")
        if rng.random() < 0.3:
            parts.insert(0, rng.choice(ABROAD))
        return " ".join(parts)


def _invalid_line(rng: random.Random, line: dict[str, Any]) -> bytes:
    """The line with one thing made wrong."""
    messages = line["messages"]
    match rng.randrange(6):
        case 0:
            return _encode(line)[:-20]
        case 1:
            messages[-1]["content"] = ""
        case 2:
            messages.append({"role": "user", "content": "?"})
        case 3:
            messages[-1]["weight"] = 2
        case 4:
            messages[0]["role"] = "bot"
        case _:
            line["prompt"] = "?"
    return _encode(line)


def _encode(line: dict[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode()
