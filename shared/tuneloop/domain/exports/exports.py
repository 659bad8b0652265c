"""Exports: frozen versions of a dataset, and the prompts that follow from their examples.

An export's id comes from dataset, revision and policy, so freezing twice is freezing once. Where the answers are a
closed set, the base model gets a prompt of its own that names them: without it a comparison with the base would prove
nothing but that the base wasn't told what to say.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable
from datetime import datetime

from pydantic import BaseModel, computed_field

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.chat.images import ImageUnits
from tuneloop.domain.chat.messages import CALLS_PREFIX, PROMPT_ROLES, JsonObject, answer_of, canonical, text_of
from tuneloop.domain.chat.templates import Template
from tuneloop.domain.core.ids import Name, derived_id, digest
from tuneloop.domain.datasets.policy import DEFAULT, FIRST_RULES, ExampleKind, Policy
from tuneloop.domain.evaluation.evaluations import FEWEST_ROWS
from tuneloop.domain.exports.exclusions import Exclusion, exclusions_of, shortage
from tuneloop.domain.exports.policy_filter import LENGTH_NOTES, LengthBasis, is_closed
from tuneloop.domain.exports.splits import FEWEST_FOR_TEST

MOST_COUNTED_ANSWERS = 1_000  # bounds the memory of a freeze; a closed set has far fewer
MOST_PROMPT_CHARACTERS = 16_000  # bounds the prompt that names answers, which each call to the base model pays for
MOST_PROMPT_BYTES = 64 << 10  # a row holds 400 KB, and prompts stand in it twice
TOO_FEW = (
    f"one takes {FEWEST_ROWS} examples that nobody marked, out of {FEWEST_FOR_TEST} or more different prompts; what "
    "shares a subject, a conversation or its wording counts as one"
)
BY_HAND = (
    "Nothing will prove a version that is trained on this export: activate by hand if you trust it, "
    "or add examples or a test file of your own."
)
ANSWERS_HEADING = "Possible answers, one per line:"


class ExportFile(BaseModel):
    """One file of an export; `tokens` are counted with o200k_base plus OpenAI's message overhead, without images.

    Its `images` are None where it was written before they were counted.
    """

    key: str
    examples: int
    tokens: int
    bytes: int
    sha256: str
    images: ImageUnits | None = None


class Export(BaseModel):
    """A frozen version of a dataset, its statistics, and the prompts that its versions are served with.

    It was made by the version `rules` of the rules. `min_user_characters` is the least length that it took, as its
    policy said or its examples were. `left_out` counts examples by why they are in no file, `marked` those that
    validate or test because users marked them, `groups` what must not be divided, `in_forms` examples too many of which
    are alike to be duplicates. `overlaps` proves that splits share nothing, counted by kind after the fact: how is said
    by `overlap_method`, and two texts of the similarity `near_threshold` are told to be alike in half of all cases.
    `answer_tokens` is what an answer has on average, by the first of those that train, and `template` what
    `{input, output}` lines were rendered through. It is `without` what the erasures up to that number cover; of what it
    froze, `erased` examples are gone from it; `erased_by_split` counts those that were in a file, and is None where an
    older release erased some.
    """

    tenant: Name
    id: Name
    dataset: Name
    revision: int
    policy: Policy = DEFAULT
    kind: ExampleKind = ExampleKind.SUPERVISED
    files: dict[Split, ExportFile]
    examples: int
    rules: int = FIRST_RULES
    left_out: dict[str, int] = {}
    marked: dict[Split, int] = {}
    min_user_characters: int | None = None
    length_basis: LengthBasis | None = None
    groups: int = 0
    in_forms: int = 0
    overlaps: dict[str, int] = {}
    overlap_method: str = ""
    near_threshold: float | None = None
    without: int = 0
    erased: int = 0
    erased_by_split: dict[Split, int] | None = None
    held_out: str | None = None
    made_of: str = ""
    conflicting_prompts: int
    distinct_answers: int
    most_frequent_answer: str
    prompt: str | None = None
    base_prompt: str | None = None
    template: Template | None = None
    answer_tokens: float = 0.0
    created_at: datetime
    seq: int = 0

    @property
    def prefix(self) -> str:
        """The start of its objects' keys."""
        return prefix_of(self.tenant, self.dataset, self.id, self.made_of)

    @property
    def folder(self) -> str:
        """The start of its files' keys now: an erasure writes what is left of them into a folder of its own."""
        return f"{self.prefix}/without-{self.without}" if self.erased else self.prefix

    @property
    def served_prompt(self) -> str | None:
        """The system prompt of its versions: the one that its examples share, or else its template's."""
        return self.prompt if self.prompt is not None or self.template is None else self.template.system

    @property
    def served_base_prompt(self) -> str | None:
        """The system prompt of the base model in a comparison, which says what a version was trained to do."""
        if self.prompt == self.served_prompt or self.base_prompt is None:
            return self.base_prompt or self.served_prompt
        return f"{self.served_prompt}\n\n{self.base_prompt}"

    @property
    def parameters(self) -> JsonObject:
        """The request parameters of its versions: they ask for an answer of its template's form."""
        return self.template.parameters if self.template else {}

    @property
    def trained(self) -> int:
        """How many examples train."""
        return self.files[Split.TRAIN].examples

    @property
    def used(self) -> int:
        """How many examples are in its files."""
        return sum(file.examples for file in self.files.values())

    def share_erased(self, splits: Collection[Split]) -> float:
        """Which share of the examples that these splits were frozen with is erased, at most."""
        counted = self.erased_by_split
        gone = self.erased if counted is None else sum(counted.get(split, 0) for split in splits)
        return gone / (gone + sum(self.files[split].examples for split in splits)) if gone else 0.0

    @property
    def reasons(self) -> list[Exclusion]:
        """Why examples were left out, and what to do about it."""
        return exclusions_of(self.left_out, self.policy, kind=self.kind, characters=self.min_user_characters)

    @property
    def notes(self) -> list[str]:
        """What the examples, and not the policy, decided."""
        note = LENGTH_NOTES.get(self.length_basis) if self.length_basis else None
        return [note] if note else []

    def shortage(self, needed: int) -> str:
        """The sentences that it has fewer examples to train on than are needed, and why."""
        marked = {split: min(count, self.files[split].examples) for split, count in self.marked.items()}  # some erased
        held = self.used - self.trained
        return shortage(needed, self.trained, held=held, marked=marked, rules=self.rules, why=self.reasons)

    @property
    def has_test(self) -> bool:
        """Whether rows were kept to prove a version on."""
        return self.files[Split.TEST].examples > 0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def advice(self) -> str | None:
        """The advice to a user where too few rows were kept to prove a version on; None where enough were."""
        rows = self.files[Split.TEST].examples
        if rows >= FEWEST_ROWS:
            return None
        if rows:
            return f"The test has {rows} examples, and the gate takes {FEWEST_ROWS} or more. {BY_HAND}"
        why = TOO_FEW if self.policy.draws_test else "its policy takes none"
        return f"No examples are kept for a test: {why}. {BY_HAND}"


def export_id(tenant: str, dataset: str, revision: int, policy: Policy) -> str:
    """The id of the export of that revision under a policy."""
    return derived_id("export", tenant, dataset, revision, policy.name)


def freeze_digest(without: int, held_out: str | None, trained: Iterable[str] = ()) -> str:
    """A hash that tells two freezes of one export apart: up to which erasure, beside what was tested and seen before.

    `held_out` is where the prompts that were tested with are listed, `trained` the names of what versions have seen.
    """
    parts = (without, held_out or "", *sorted(trained))
    return digest(*parts)[:8] if any(parts) else ""


def prefix_of(tenant: str, dataset: str, export: str, made_of: str) -> str:
    """The start of an export's keys; two freezes that hold different examples never share one."""
    return "/".join(filter(None, ("exports", tenant, dataset, export, made_of)))


class TrainAnswers:
    """The answers of the training examples and the system prompt they share; few of the examples are parsed.

    Answers are told apart by their hashes, in which letter case and white space don't count; the first one names them.
    Memory stays bounded: after a thousand different answers only those seen so far are counted on.
    """

    def __init__(self) -> None:
        self.counts: Counter[Hashable] = Counter()
        self._different: set[Hashable] = set()
        self._texts: dict[Hashable, str] = {}
        self._total = 0
        self._prompt: str | None = None
        self._start = b""  # how the content of every example begins that has the same first message
        self._is_shared = True

    def add(self, answer: Hashable, content: bytes, parsed: Callable[[], list[JsonObject]]) -> None:
        """Count one training example by its answer's hash; `parsed` gives its messages if they are needed."""
        self._different.add(answer)
        if answer in self._texts or len(self._texts) < MOST_COUNTED_ANSWERS:
            if answer not in self._texts:
                text = answer_of(parsed()[-1])
                self._texts[answer] = text if len(text) <= MOST_PROMPT_CHARACTERS else ""  # which nobody names
            self.counts[answer] += 1
        if not self._total:
            first = parsed()[0]
            self._start = f'{{"messages":[{canonical(first)},'.encode()
            self._prompt = text_of(first) if first["role"] in PROMPT_ROLES else None
        elif self._is_shared:
            self._is_shared = self._prompt is not None and content.startswith(self._start)
        self._total += 1

    @property
    def different(self) -> int:
        """How many different answers there are."""
        return len(self._different)

    @property
    def most_frequent(self) -> str:
        """The commonest answer, the smallest of equals: the baseline of every evaluation; "" if it is a long text."""
        commonest = min(self.counts, key=lambda one: (-self.counts[one], self._texts[one]), default=None)
        return "" if commonest is None else self._texts[commonest]

    @property
    def prompt(self) -> str | None:
        """The system prompt that every training example shares, if there is one that fits into a row."""
        shared = self._prompt if self._is_shared else None
        return shared if shared and len(shared.encode()) <= MOST_PROMPT_BYTES else None

    @property
    def base_prompt(self) -> str | None:
        """The shared prompt with the answers named, where they are a closed set; else the shared prompt itself."""
        answers = sorted(self._texts.values())
        named = "\n".join([ANSWERS_HEADING, *answers])
        closed = is_closed(self.different, self._total)
        if not closed or not all(map(_can_be_named, answers)) or len(named) > MOST_PROMPT_CHARACTERS:
            return self.prompt
        return f"{self.prompt}\n\n{named}" if self.prompt else named


def _can_be_named(answer: str) -> bool:
    """Whether an answer fits on a line of a prompt and is a text at all."""
    return bool(answer) and "\n" not in answer and not answer.startswith(CALLS_PREFIX)
