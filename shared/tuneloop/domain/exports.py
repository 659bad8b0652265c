"""Exports: frozen versions of a dataset, and what their examples say about the prompt.

An export's id comes from dataset, revision and policy, so freezing twice is freezing once. Where the answers are a
closed set, the base model gets a prompt of its own that names them: without it a comparison with the base would prove
nothing but that the base wasn't told what to say.
"""

from collections import Counter
from datetime import datetime

from pydantic import BaseModel

from tuneloop.domain.examples import CALLS, PROMPT_ROLES, Example, Split, text_of
from tuneloop.domain.ids import Name, derived_id, digest

POLICY = "split=prompt;dedupe=content;v1"
MOST_NAMED_ANSWERS = 200
FEWEST_PER_ANSWER = 3
MOST_COUNTED_ANSWERS = 1_000
MOST_PROMPTS = 2
MOST_PROMPT_CHARACTERS = 16_000
MOST_PROMPT_BYTES = 64 << 10  # a row holds 400 KB, and prompts stand in it twice
ANSWERS_HEADING = "Possible answers, one per line:"


class ExportFile(BaseModel):
    """One file of an export; `tokens` are counted with o200k_base plus OpenAI's message overhead."""

    key: str
    examples: int
    tokens: int
    bytes: int
    sha256: str


class Export(BaseModel):
    """A frozen version of a dataset, its statistics, and the prompts that its versions are served with.

    `kept_out` counts lines that don't train because their prompt stands in a split that the user marked himself.
    """

    tenant: Name
    id: Name
    dataset: Name
    revision: int
    policy: str = POLICY
    files: dict[Split, ExportFile]
    duplicates: int
    kept_out: int = 0
    conflicting_prompts: int
    distinct_answers: int
    most_frequent_answer: str
    prompt: str | None = None
    base_prompt: str | None = None
    created_at: datetime
    seq: int = 0

    @property
    def has_test(self) -> bool:
        """Whether rows were kept to prove a version on."""
        return self.files[Split.TEST].examples > 0


def export_id(tenant: str, dataset: str, revision: int) -> str:
    """The id of the export of that revision under today's policy."""
    return derived_id("export", tenant, dataset, revision, POLICY)


class Answers:
    """Running counts over the training examples: their answers, and the system prompt they share.

    Memory stays bounded: after a thousand different answers only those seen so far are counted on.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._different: set[str] = set()
        self._total = 0
        self._prompts: set[str | None] = set()

    def add(self, example: Example) -> None:
        """Count one training example."""
        self._total += 1
        answer = example.answer
        self._different.add(digest(answer)[:16])
        if answer in self.counts or len(self.counts) < MOST_COUNTED_ANSWERS:
            self.counts[answer] += 1
        first = example.messages[0]
        if len(self._prompts) < MOST_PROMPTS:
            self._prompts.add(text_of(first) if first["role"] in PROMPT_ROLES else None)

    @property
    def different(self) -> int:
        """How many different answers there are."""
        return len(self._different)

    @property
    def most_frequent(self) -> str:
        """The commonest answer, the smallest of equals: the baseline of every evaluation; "" if it is a long text."""
        commonest = min(self.counts, key=lambda answer: (-self.counts[answer], answer), default="")
        return commonest if len(commonest) <= MOST_PROMPT_CHARACTERS else ""

    @property
    def prompt(self) -> str | None:
        """The system prompt that every training example shares, if there is one that fits into a row."""
        shared = next(iter(self._prompts)) if len(self._prompts) == 1 else None
        return shared if shared and len(shared.encode()) <= MOST_PROMPT_BYTES else None

    @property
    def base_prompt(self) -> str | None:
        """The shared prompt with the answers named, where they are a closed set; else the shared prompt itself."""
        answers = sorted(self.counts)
        closed = 0 < self.different <= MOST_NAMED_ANSWERS and self._total >= FEWEST_PER_ANSWER * self.different
        named = "\n".join([ANSWERS_HEADING, *answers])
        if not closed or not all(map(_can_be_named, answers)) or len(named) > MOST_PROMPT_CHARACTERS:
            return self.prompt
        return f"{self.prompt}\n\n{named}" if self.prompt else named


def _can_be_named(answer: str) -> bool:
    """Whether an answer fits on a line of a prompt and is a text at all."""
    return bool(answer) and "\n" not in answer and not answer.startswith(CALLS)
