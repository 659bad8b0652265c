"""Exclusions: why examples are left out and why there are too few to train on, in words that a user can act on.

Eligibility, the refusal of a run, an estimate, an export and the command line all speak by these functions.
"""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.policy import FIRST_RULES, LATEST_RULES, LEAST_CHARACTERS, ExampleKind, Policy
from tuneloop.domain.exports.columns import Outcome

CAPS = ("max_examples", "max_per_category", "max_per_subject")
# By outcome: the setting that decides it, and what is said of how many; `trust` is the dataset's, `split` an example's.
TEXTS: dict[Outcome, tuple[str | None, str]] = {
    Outcome.REJECTED: (None, "{n} {were} rejected by a reviewer; approve {them} to use {them}."),
    Outcome.NOT_APPROVED: (
        "trust",
        "{n} {were} made from feedback and not approved yet; approve {them}, or change the dataset's trust.",
    ),
    Outcome.OTHER_CATEGORY: (
        "categories",
        "{n} {are} in none of the categories that the policy names; add {their} category, or set categories to null.",
    ),
    Outcome.OTHER_TIME: (
        "created_from, created_to",
        "{n} {were} not made between created_from and created_to, or {have} no created_at; change these to use {them}.",
    ),
    Outcome.LOW_QUALITY: ("min_quality", "{n} {are} below min_quality {quality:g}; lower it to use {them}."),
    Outcome.OTHER_KIND: (
        "kind",
        "{n} {are} of another kind than this {kind} training; set kind to {other} to use {them} instead.",
    ),
    Outcome.TOO_SHORT: (
        "min_user_characters",
        "{n} {are} shorter than min_user_characters {characters}; set it to 0 for short chats.",
    ),
    Outcome.DUPLICATE: (None, "{n} {are} the same as another example; one of each is used."),
    Outcome.CONFLICTING: (
        "conflicting",
        "{n} {answer} a prompt that others answer differently; approve the right answer, or set conflicting to true.",
    ),
    Outcome.NEAR_DUPLICATE: (
        "near_duplicates",
        "{n} {are} nearly the same as another example; set near_duplicates to true to use {them} too.",
    ),
    Outcome.OVER_CAP: ("{caps}", "{n} {are} beyond {limits}; raise it to use {them}."),
    Outcome.KEPT_OUT: (
        "split",
        "{n} {share} a prompt, subject, conversation or wording with what is held out by a split mark or was tested "
        "with before, and can't train.",
    ),
}
NOT_VALIDATED = "{n} {are} not approved, and validated_only is true; approve {them}, or set it to false."
ONE = {"are": "is", "were": "was", "have": "has", "share": "shares", "answer": "answers", "them": "it", "their": "its"}
MANY = {word: word for word in ONE}


class Exclusion(BaseModel):
    """How many examples are left out for one reason, the setting that decides it, and what to do about it."""

    reason: str
    count: int
    setting: str | None = None
    message: str


def exclusions_of(
    left_out: Mapping[str, int],
    policy: Policy,
    *,
    kind: ExampleKind = ExampleKind.SUPERVISED,
    characters: int | None = None,
) -> list[Exclusion]:
    """The reasons for which a policy left examples out, the largest first; `characters` is the least length it took."""
    counts = sorted(left_out.items(), key=lambda reason: (-reason[1], reason[0]))
    return [_exclusion(Outcome[reason.upper()], count, policy, kind, characters) for reason, count in counts if count]


def _exclusion(why: Outcome, count: int, policy: Policy, kind: ExampleKind, characters: int | None) -> Exclusion:
    setting, text = TEXTS[why]
    if why == Outcome.NOT_APPROVED and policy.validated_only:
        setting, text = "validated_only", NOT_VALIDATED
    caps = {name: getattr(policy, name) for name in CAPS if getattr(policy, name) is not None}
    least = policy.min_user_characters if characters is None else characters
    facts = {
        "n": f"{count:,}",
        "quality": policy.min_quality,
        "kind": kind,
        "other": ExampleKind.SUPERVISED if kind == ExampleKind.PREFERENCE else ExampleKind.PREFERENCE,
        "characters": LEAST_CHARACTERS if least is None else least,
        "caps": ", ".join(caps),
        "limits": " or ".join(f"{name} {limit:,}" for name, limit in caps.items()),
        **(ONE if count == 1 else MANY),
    }
    named = setting.format(**facts) if setting else None
    return Exclusion(reason=why.name.lower(), count=count, setting=named or None, message=text.format(**facts))


def shortage(
    needed: int,
    current: int,
    *,
    held: int = 0,
    marked: Mapping[Split, int] | None = None,
    rules: int = LATEST_RULES,
    why: Iterable[Exclusion] = (),
) -> str:
    """The sentences that fewer examples than `needed` are there to train on, and why; `held` more validate and test.

    `marked` counts examples that users marked, by their mark; those marked to train are held by nothing. The others are
    held as the version of the `rules` has it. Without `marked` nothing is said of what holds them.
    """
    if marked is not None:
        marked = {split: count for split, count in marked.items() if split != Split.TRAIN}
    have = f"{current:,} to train on, {held:,} for validation and test" if held else f"{current:,}"
    holders = [] if marked is None else [*_marks(marked), *_held(held - sum(marked.values()), rules)]
    messages = [exclusion.message for exclusion in why]
    return " ".join([f"Need at least {needed:,} examples. Current: {have}.", *holders, *messages])


def _marks(marked: Mapping[Split, int]) -> list[str]:
    return [
        f"{count:,} {'is' if count == 1 else 'are'} held out by the split mark {split}; mark fewer, or add others."
        for split, count in marked.items()
        if count
    ]


def _held(count: int, rules: int) -> list[str]:
    """Why examples are held out that nobody marked."""
    if count <= 0:
        return []
    if rules == FIRST_RULES:  # any change has the latest rules hold, by which ten train before any validates
        are = "is" if count == 1 else "are"
        return [f"{count:,} {are} held out by a draw or a split mark; change the dataset to divide it by newer rules."]
    return [f"{count:,} {'was' if count == 1 else 'were'} tested with before and can't train; add others."]
