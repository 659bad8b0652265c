"""Verdicts: what the gate says of a comparison, in a sentence for people and a code for scripts."""

from enum import StrEnum

from pydantic import BaseModel


class VerdictCode(StrEnum):
    """Why the gate lets a version through or doesn't; this set only grows.

    - `better`: proved better than the other version, and right more often than the commonest answer
    - `not_better`: not proved better
    - `commonest_answer`: always giving the commonest answer is right as often
    - `free_text`: most expected answers are free text, of which an exact comparison says nothing
    - `too_few`: fewer test rows than prove anything
    - `no_test`: the export has no test rows
    - `contaminated`: too many test rows were in training data
    - `unproved`: nothing could be asked, or questions went unanswered; the evaluation's `error` says why
    """

    BETTER = "better"
    NOT_BETTER = "not_better"
    COMMONEST_ANSWER = "commonest_answer"
    FREE_TEXT = "free_text"
    TOO_FEW = "too_few"
    NO_TEST = "no_test"
    CONTAMINATED = "contaminated"
    UNPROVED = "unproved"


class Verdict(BaseModel):
    """Whether the gate lets the candidate through, why in one sentence, and why for a script.

    The verdicts of releases without codes have none.
    """

    promote: bool
    reason: str
    code: VerdictCode | None = None
