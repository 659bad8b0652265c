"""Origins: how examples are marked that feedback made."""

from enum import StrEnum


class Origin(StrEnum):
    """The `source` of examples that feedback made; never in a test split, and nobody else may use these words."""

    CORRECTION = "correction"
    CONFIRMATION = "confirmation"


FEEDBACK = frozenset(Origin)
