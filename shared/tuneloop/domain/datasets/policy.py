"""Policies: which examples of a dataset an export takes, and how it divides them; the same policy has one name."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    field_validator,
    model_validator,
)

from tuneloop.domain.chat.examples import Moment
from tuneloop.domain.core.ids import digest
from tuneloop.domain.core.limits import POLICY_BYTES
from tuneloop.domain.core.numbers import Share

VERSION = "v4"  # part of every policy's name, and so of every export's id: it stays, the rules' version rises instead
# The version of the rules by which a revision of a dataset is selected and divided. A revision keeps the version of the
# code that made it, so that an upgrade freezes nothing anew; a change of a dataset takes the latest. By version 2
# `LEAST_TRAINED` examples train before any row validates, short chats are kept where most messages are short, and
# nothing that a version has seen (`seen_exports`) is drawn for a test.
FIRST_RULES = 1
LATEST_RULES = 2
LEAST_CHARACTERS = 20  # of what users say in all; the exceptions stand in `Policy`
# Every provider in the catalog trains on ten examples and no fewer. The number is ours and not the provider's, whose
# name is no part of an export's id.
LEAST_TRAINED = 10
# Of what nobody marked, for validation and for the test each: with both at their most a fifth is left to train on.
LARGEST_SHARE = 0.4
# Zero for `-0.0`, as in `Share`.
SplitShare = Annotated[float, Field(ge=0, le=LARGEST_SHARE, strict=True), AfterValidator(abs)]
LARGEST_NUMBER = 1_000_000_000  # in a policy: beyond any dataset, and within every store's whole numbers


def utc(moment: datetime) -> datetime:
    """A time in UTC, which it is taken to be in where it names no zone."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class ExampleKind(StrEnum):
    """What the lines of an export teach: to answer so, or which of two answers is the better one."""

    SUPERVISED = "supervised"
    PREFERENCE = "preference"


class Policy(BaseModel):
    """What an export takes; the defaults are those of an export that nobody asked for.

    `min_quality` counts where a quality is given. `min_user_characters` is what users say in all; 20 unless the answers
    are a closed set or the median of what users say is shorter, then none. Without a `kind` an export is supervised,
    unless only preference pairs are left. Caps take the examples with the smallest ids: hashes. `validation` and `test`
    are shares of what nobody marked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ExampleKind | None = None
    categories: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=100)
    min_quality: Share = 0.8
    validated_only: StrictBool = False
    created_from: Moment | None = None
    created_to: Moment | None = None
    max_examples: StrictInt | None = Field(default=None, ge=1, le=LARGEST_NUMBER)
    max_per_category: StrictInt | None = Field(default=None, ge=1, le=LARGEST_NUMBER)
    max_per_subject: StrictInt | None = Field(default=None, ge=1, le=LARGEST_NUMBER)
    min_user_characters: StrictInt | None = Field(default=None, ge=0, le=LARGEST_NUMBER)
    near_duplicates: StrictBool = Field(default=False, description="Keep near duplicates that say the same.")
    conflicting: StrictBool = Field(default=False, description="Keep different answers to the same prompt unreviewed.")
    take_test: StrictBool = True
    validation: SplitShare = Field(default=0.1, description="The share that validates.")
    test: SplitShare | None = Field(
        default=None,
        description="The share of the test; null plans it: 10%, or as much as shows a gain of 15 points, up to 40%.",
    )

    @field_validator("categories")
    @classmethod
    def _in_order(cls, categories: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return tuple(sorted(set(categories))) if categories else categories

    @field_validator("created_from", "created_to")
    @classmethod
    def _in_utc(cls, moment: datetime | None) -> datetime | None:
        return utc(moment) if moment else None

    @model_validator(mode="after")
    def _takes_some_time(self) -> Self:
        if self.created_from and self.created_to and self.created_from >= self.created_to:
            raise ValueError("`created_from` must lie before `created_to`")
        return self

    @model_validator(mode="after")
    def _wants_a_test_or_none(self) -> Self:
        if self.test and not self.take_test:
            raise ValueError("`test` is a share and `take_test` is false: leave out one of them")
        return self

    @property
    def draws_test(self) -> bool:
        """Whether examples that nobody marked may be drawn for a test."""
        return self.take_test and self.test != 0

    @model_validator(mode="after")
    def _is_short(self) -> Self:
        if len(self.model_dump_json().encode()) > POLICY_BYTES:
            raise ValueError(f"a policy may have {POLICY_BYTES >> 10} KiB at most: name fewer categories")
        return self

    @property
    def name(self) -> str:
        """Sixteen hex digits for what differs from the defaults."""
        return digest(VERSION, self.model_dump_json(exclude_defaults=True))[:16]


DEFAULT = Policy()
