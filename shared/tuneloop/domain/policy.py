"""Policies: which examples of a dataset an export takes, and how it divides them; the same policy has one name."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tuneloop.domain.examples import Moment
from tuneloop.domain.ids import digest
from tuneloop.domain.limits import POLICY_BYTES

VERSION = "v3"  # rises when the same policy would freeze something else
LEAST_CHARACTERS = 20
MOST = 1_000_000_000


def utc(moment: datetime) -> datetime:
    """A time with its zone: UTC where it names none."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Kind(StrEnum):
    """What the lines of an export teach: to answer so, or which of two answers is the better one."""

    SUPERVISED = "supervised"
    PREFERENCE = "preference"


class Policy(BaseModel):
    """What an export takes; the defaults are those of an export that nobody asked for.

    `min_quality` counts where a quality is given. `min_user_characters` is what users say in all; 20 unless the answers
    are a closed set, then none. Without a `kind` an export is supervised, unless only preference pairs are left. Caps
    take the examples with the smallest ids: hashes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind | None = None
    categories: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=100)
    min_quality: float = Field(default=0.8, ge=0, le=1)
    validated_only: bool = False
    created_from: Moment | None = None
    created_to: Moment | None = None
    max_examples: int | None = Field(default=None, ge=1, le=MOST)
    max_per_category: int | None = Field(default=None, ge=1, le=MOST)
    max_per_subject: int | None = Field(default=None, ge=1, le=MOST)
    min_user_characters: int | None = Field(default=None, ge=0, le=MOST)
    near_duplicates: bool = Field(default=False, description="Keep near duplicates that say the same.")
    conflicting: bool = Field(default=False, description="Keep different answers to the same prompt unreviewed.")
    take_test: bool = True

    @model_validator(mode="after")
    def _takes_some_time(self) -> Self:
        if self.created_from and self.created_to and utc(self.created_from) >= utc(self.created_to):
            raise ValueError("`created_from` must lie before `created_to`")
        return self

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
