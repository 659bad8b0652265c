"""Exports: frozen versions of a dataset, and the system prompts that follow from their examples.

An export's id is derived from dataset, revision and policy, so freezing twice gives one export. If the answers are a
closed set, the base model gets a prompt of its own that names them. Without that prompt a comparison with the base
model would only prove that nobody told it the possible answers.
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
from tuneloop.domain.exports.policy_filter import LENGTH_NOTES, LengthBasis, is_closed_set
from tuneloop.domain.exports.splits import FEWEST_FOR_TEST

MOST_COUNTED_ANSWERS = 1_000  # bounds the memory of a freeze; a closed set has far fewer
MOST_PROMPT_CHARACTERS = 16_000  # bounds the prompt that names answers, which each call to the base model pays for
MOST_PROMPT_BYTES = 64 << 10  # a row holds 400 KB, and prompts stand in it twice
TOO_FEW_PROMPTS = (
    f"one takes {FEWEST_ROWS} examples that nobody marked, out of {FEWEST_FOR_TEST} or more different prompts; what "
    "shares a subject, a conversation or its wording counts as one"
)
ACTIVATE_BY_HAND = (
    "Nothing will prove a version that is trained on this export: activate by hand if you trust it, "
    "or add examples or a test file of your own."
)
ANSWERS_HEADING = "Possible answers, one per line:"


class ExportFile(BaseModel):
    """One file of an export; `tokens` are counted with o200k_base plus OpenAI's message overhead, without images.

    `images` is None in files that were written before images were counted.
    """

    key: str
    examples: int
    tokens: int
    bytes: int
    sha256: str
    images: ImageUnits | None = None


class Export(BaseModel):
    """A frozen version of a dataset, its statistics, and the system prompts that its versions are served with.

    - `rules`: the version of the rules that selected and divided its examples
    - `min_user_characters`: the least length of an example, from the policy or from what the examples look like
      (`length_basis`)
    - `left_out`: examples that are in no file, counted by reason; `marked`: those that validate or test because users
      marked them; `groups`: groups of examples that must stay in one split; `in_forms`: examples that fill in a form,
      of which too many are alike to be duplicates
    - `overlaps`: examples that share something with another split, counted by kind after the split as proof that there
      are none; `overlap_method` says how, and two texts of the similarity `near_threshold` are found to be near
      duplicates in half of all cases
    - `answer_tokens`: the average tokens of an answer, from the first training examples
    - `template`: the template that `{input, output}` lines were rendered through
    - `without`: the number of the last erasure whose examples are not in it; `erased`: how many examples were erased
      from it since it was frozen, and `erased_by_split` those in each file, None if an older release erased some
    - `held_out`: the key of the list of prompts held out for tests, by it or by exports before it
    - `made_of`: what it was frozen with beside its revision and policy, see `freeze_digest`
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
        """The start of the keys of the export's objects."""
        return export_prefix(self.tenant, self.dataset, self.id, self.made_of)

    @property
    def folder(self) -> str:
        """The start of the keys of the current files: an erasure rewrites the files into a folder of its own."""
        return f"{self.prefix}/without-{self.without}" if self.erased else self.prefix

    @property
    def served_prompt(self) -> str | None:
        """The system prompt of the export's versions: the one that its examples share, or else its template's."""
        return self.prompt if self.prompt is not None or self.template is None else self.template.system

    @property
    def served_base_prompt(self) -> str | None:
        """The system prompt of the base model in a comparison, which describes the task a version was trained on."""
        if self.prompt == self.served_prompt or self.base_prompt is None:
            return self.base_prompt or self.served_prompt
        return f"{self.served_prompt}\n\n{self.base_prompt}"

    @property
    def parameters(self) -> JsonObject:
        """The request parameters of the export's versions, which ask for an answer in the form of its template."""
        return self.template.parameters if self.template else {}

    @property
    def trained(self) -> int:
        """How many examples are in the training file."""
        return self.files[Split.TRAIN].examples

    @property
    def used(self) -> int:
        """How many examples are in all files of the export."""
        return sum(file.examples for file in self.files.values())

    def share_erased(self, splits: Collection[Split]) -> float:
        """The share of examples erased from these splits since the freeze; an upper bound without `erased_by_split`."""
        by_split = self.erased_by_split
        erased = self.erased if by_split is None else sum(by_split.get(split, 0) for split in splits)
        return erased / (erased + sum(self.files[split].examples for split in splits)) if erased else 0.0

    @property
    def reasons(self) -> list[Exclusion]:
        """The reasons why examples were left out, each with what to do about it."""
        return exclusions_of(self.left_out, self.policy, kind=self.kind, characters=self.min_user_characters)

    @property
    def notes(self) -> list[str]:
        """Sentences about what the examples decided where the policy left it open."""
        note = LENGTH_NOTES.get(self.length_basis) if self.length_basis else None
        return [note] if note else []

    def shortage(self, needed: int) -> str:
        """The message that the export has fewer training examples than `needed`, with the reasons."""
        # Marks are counted at the freeze, and some of the marked examples may have been erased since.
        marked = {split: min(count, self.files[split].examples) for split, count in self.marked.items()}
        held = self.used - self.trained
        return shortage(needed, self.trained, held=held, marked=marked, rules=self.rules, why=self.reasons)

    @property
    def has_test(self) -> bool:
        """Whether the export has test rows."""
        return self.files[Split.TEST].examples > 0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def advice(self) -> str | None:
        """The advice to the user if the test has too few rows to prove a version better; None if it has enough."""
        rows = self.files[Split.TEST].examples
        if rows >= FEWEST_ROWS:
            return None
        if rows:
            return f"The test has {rows} examples, and the gate takes {FEWEST_ROWS} or more. {ACTIVATE_BY_HAND}"
        reason = TOO_FEW_PROMPTS if self.policy.draws_test else "its policy takes none"
        return f"No examples are kept for a test: {reason}. {ACTIVATE_BY_HAND}"


def export_id(tenant: str, dataset: str, revision: int, policy: Policy) -> str:
    """The id of the export of a dataset's revision under a policy."""
    return derived_id("export", tenant, dataset, revision, policy.name)


def freeze_digest(without: int, held_out: str | None, trained: Iterable[str] = ()) -> str:
    """A hash of what a freeze depends on beside its revision and policy, so that two freezes don't mix their files.

    `without` is the number of the last erasure, `held_out` the key of the list of prompts that were tested with before,
    `trained` the names of the exports that versions were trained on. "" if there is none of these.
    """
    parts = (without, held_out or "", *sorted(trained))
    # 32 bits: an export is frozen anew a few times at most, so equal hashes of different freezes are not to be feared.
    return digest(*parts)[:8] if any(parts) else ""


def export_prefix(tenant: str, dataset: str, export: str, made_of: str) -> str:
    """The start of the keys of an export's objects; freezes of different examples differ in `made_of`."""
    return "/".join(filter(None, ("exports", tenant, dataset, export, made_of)))


class TrainAnswers:
    """Counts the answers of the training examples and finds the system prompt they share, parsing few of them.

    Answers are compared by hashes that ignore letter case and white space; the first text of a hash stands for all.
    Memory is bounded: after a thousand different answers, only those met so far are counted further.
    """

    def __init__(self) -> None:
        self.counts: Counter[Hashable] = Counter()
        self._different: set[Hashable] = set()
        self._texts: dict[Hashable, str] = {}
        self._total = 0
        self._prompt: str | None = None
        # The first bytes of an example that has the first message of the first one, so that none has to be parsed.
        self._start = b""
        self._is_shared = True

    def add(self, answer: Hashable, content: bytes, parsed: Callable[[], list[JsonObject]]) -> None:
        """Count one training example by its answer's hash; `parsed` returns its messages, and is rarely called."""
        self._different.add(answer)
        if answer in self._texts or len(self._texts) < MOST_COUNTED_ANSWERS:
            if answer not in self._texts:
                text = answer_of(parsed()[-1])
                self._texts[answer] = text if len(text) <= MOST_PROMPT_CHARACTERS else ""  # too long for any prompt
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
        """The commonest answer, the baseline of every evaluation: of equals the smallest text; "" if it is too long."""
        commonest = min(self.counts, key=lambda answer: (-self.counts[answer], self._texts[answer]), default=None)
        return "" if commonest is None else self._texts[commonest]

    @property
    def prompt(self) -> str | None:
        """The system prompt that all training examples share; None if there is none, or it is too long for a row."""
        shared = self._prompt if self._is_shared else None
        return shared if shared and len(shared.encode()) <= MOST_PROMPT_BYTES else None

    @property
    def base_prompt(self) -> str | None:
        """The shared prompt followed by the possible answers if they are a closed set; else the shared prompt."""
        answers = sorted(self._texts.values())
        named = "\n".join([ANSWERS_HEADING, *answers])
        closed = is_closed_set(self.different, self._total)
        if not closed or not all(map(_can_be_named, answers)) or len(named) > MOST_PROMPT_CHARACTERS:
            return self.prompt
        return f"{self.prompt}\n\n{named}" if self.prompt else named


def _can_be_named(answer: str) -> bool:
    """Whether an answer is a text that fits on one line of a prompt, and no tool call."""
    return bool(answer) and "\n" not in answer and not answer.startswith(CALLS_PREFIX)
