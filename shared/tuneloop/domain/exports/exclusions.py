"""Exclusions: the messages that say why examples are left out, or too few to train on, and what to do about it.

Eligibility, refused runs, estimates, exports and the command line all take their sentences from here.
"""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.policy import FIRST_RULES, LATEST_RULES, LEAST_CHARACTERS, ExampleKind, Policy
from tuneloop.domain.exports.columns import Outcome

CAPS = ("max_examples", "max_per_category", "max_per_subject")
# By outcome: the setting that decides it, and the sentence about the examples. `trust` is a setting of the dataset,
# `split` a field of the example, and all others are the policy's.
EXCLUSION_TEXTS: dict[Outcome, tuple[str | None, str]] = {
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
SINGULAR = {
    "are": "is",
    "were": "was",
    "have": "has",
    "share": "shares",
    "answer": "answers",
    "them": "it",
    "their": "its",
}
PLURAL = {word: word for word in SINGULAR}


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
    """The reasons why a policy left examples out, the most frequent first.

    `left_out` counts examples by the lower-case name of their outcome; `characters` is the least length that was
    applied, if it isn't the policy's.
    """
    counts = sorted(left_out.items(), key=lambda reason: (-reason[1], reason[0]))
    return [_exclusion(Outcome[reason.upper()], count, policy, kind, characters) for reason, count in counts if count]


def _exclusion(reason: Outcome, count: int, policy: Policy, kind: ExampleKind, characters: int | None) -> Exclusion:
    setting, text = EXCLUSION_TEXTS[reason]
    if reason == Outcome.NOT_APPROVED and policy.validated_only:
        setting, text = "validated_only", NOT_VALIDATED
    caps = {name: getattr(policy, name) for name in CAPS if getattr(policy, name) is not None}
    least = policy.min_user_characters if characters is None else characters
    words = {
        "n": f"{count:,}",
        "quality": policy.min_quality,
        "kind": kind,
        "other": ExampleKind.SUPERVISED if kind == ExampleKind.PREFERENCE else ExampleKind.PREFERENCE,
        "characters": LEAST_CHARACTERS if least is None else least,
        "caps": ", ".join(caps),
        "limits": " or ".join(f"{name} {limit:,}" for name, limit in caps.items()),
        **(SINGULAR if count == 1 else PLURAL),
    }
    setting_name = setting.format(**words) if setting else None
    message = text.format(**words)
    return Exclusion(reason=reason.name.lower(), count=count, setting=setting_name or None, message=message)


def shortage(
    needed: int,
    current: int,
    *,
    held: int = 0,
    marked: Mapping[Split, int] | None = None,
    rules: int = LATEST_RULES,
    why: Iterable[Exclusion] = (),
) -> str:
    """The message that only `current` examples train where `needed` must, with the reasons for it in `why`.

    `held` more examples validate and test. `marked` counts the examples that users marked, by their mark; marks to
    train hold nothing out. The message blames split marks for those, and the version of the `rules` for the rest;
    without `marked` it doesn't say why examples are held out.
    """
    if marked is not None:
        marked = {split: count for split, count in marked.items() if split != Split.TRAIN}
    have = f"{current:,} to train on, {held:,} for validation and test" if held else f"{current:,}"
    sentences = [f"Need at least {needed:,} examples. Current: {have}."]
    if marked is not None:
        sentences += [*_marked_sentences(marked), *_held_out_sentences(held - sum(marked.values()), rules)]
    return " ".join([*sentences, *(exclusion.message for exclusion in why)])


def _marked_sentences(marked: Mapping[Split, int]) -> list[str]:
    return [
        f"{count:,} {'is' if count == 1 else 'are'} held out by the split mark {split}; mark fewer, or add others."
        for split, count in marked.items()
        if count
    ]


def _held_out_sentences(count: int, rules: int) -> list[str]:
    """The sentence that says why unmarked examples are held out; none if `count` is 0."""
    if count <= 0:
        return []
    # Any change of the dataset brings the latest rules into force, by which ten examples train before any validates.
    if rules == FIRST_RULES:
        are = "is" if count == 1 else "are"
        return [f"{count:,} {are} held out by a draw or a split mark; change the dataset to divide it by newer rules."]
    return [f"{count:,} {'was' if count == 1 else 'were'} tested with before and can't train; add others."]
