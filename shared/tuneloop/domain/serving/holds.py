"""Holds: after a person took a version off, no version is activated automatically until a person allows it again.

A person decides when an emergency is over, not the figures of the next version.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from tuneloop.domain.core.ids import Name

# How many refused verdicts a hold names: the newest ones. A model is trained once a month as a rule, so this is most of
# a year, and the deployment's row stays small.
MOST_REFUSED = 10

Takeoff = Literal["deactivate", "rollback", "activate"]  # `activate` of the base model: in its effect a `deactivate`
TAKEOFF_WORDS: dict[Takeoff, str] = {
    "deactivate": "deactivated it",
    "rollback": "rolled it back",
    "activate": "put the base model back",
}


class RefusedVersion(BaseModel):
    """A version that was proved better than version `against` while a hold kept it from being activated."""

    version: int
    against: int
    evaluation: Name
    at: datetime


class Hold(BaseModel):
    """Who took a version off, when and why; `refused` are the versions that would have been activated since."""

    action: Takeoff
    by: str
    at: datetime
    reason: str
    refused: list[RefusedVersion] = []

    def with_refused(self, refused: RefusedVersion) -> "Hold":
        """The hold after it kept a version from being activated; of each version the latest refusal stays."""
        others = [earlier for earlier in self.refused if earlier.version != refused.version]
        return self.model_copy(update={"refused": [*others, refused][-MOST_REFUSED:]})

    def explain(self) -> str:
        """The sentence that says who took the version off, when and why, without its full stop."""
        return f"{self.by} {TAKEOFF_WORDS[self.action]} on {self.at:%Y-%m-%d at %H:%M} UTC ({self.reason})"


def describe_wait(model: str, hold: Hold | None) -> str | None:
    """The sentence that says what a model's automatic activation waits for; None without a hold."""
    if hold is None:
        return None
    how = f"POST /v1/models/{model}/resume allows it again, and so does activating a version by hand."
    return f"A person: {hold.explain()}, so no version is activated by itself. {how}"
