"""Exports: frozen versions of a dataset, and what their examples say about the prompt.

An export's id comes from dataset, revision and policy, so freezing twice is freezing once. Where the answers are a
closed set, the base model gets a prompt of its own that names them: without it a comparison with the base would prove
nothing but that the base wasn't told what to say.
"""

from collections import Counter
from datetime import datetime

from pydantic import BaseModel

from tuneloop.domain.examples import PROMPT_ROLES, Example, Split, text_of
from tuneloop.domain.ids import Name, derived_id

POLICY = "split=prompt;dedupe=content;v1"
MOST_NAMED_ANSWERS = 200
FEWEST_PER_ANSWER = 3
MOST_PROMPT_CHARACTERS = 16_000
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


class Answers(BaseModel):
    """Running counts over the training examples: their answers, and the system prompts they were given."""

    answers: Counter[str] = Counter()
    prompts: Counter[str | None] = Counter()

    def add(self, example: Example) -> None:
        """Count one training example."""
        self.answers[example.answer] += 1
        first = example.messages[0]
        self.prompts[text_of(first) if first["role"] in PROMPT_ROLES else None] += 1

    @property
    def most_frequent(self) -> str:
        """The commonest answer, the smallest of equals: the baseline of every evaluation."""
        return min(self.answers, key=lambda answer: (-self.answers[answer], answer), default="")

    @property
    def prompt(self) -> str | None:
        """The system prompt that every training example shares, if there is one."""
        return next(iter(self.prompts)) if len(self.prompts) == 1 else None

    @property
    def base_prompt(self) -> str | None:
        """The shared prompt with the answers named, where they are a closed set; else the shared prompt itself."""
        answers = sorted(self.answers)
        closed = 0 < len(answers) <= MOST_NAMED_ANSWERS and self.answers.total() >= FEWEST_PER_ANSWER * len(answers)
        named = "\n".join([ANSWERS_HEADING, *answers])
        if not closed or any("\n" in answer or not answer for answer in answers) or len(named) > MOST_PROMPT_CHARACTERS:
            return self.prompt
        return f"{self.prompt}\n\n{named}" if self.prompt else named
