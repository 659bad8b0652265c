"""The event of an evaluation's verdict."""

from typing import Any


def verdict_event(
    promote: bool = True, stable: int = 0, evaluation: str = "eval-1", reason: str = "why"
) -> dict[str, Any]:
    """The event that tells the verdict on version 1 of `support` as the candidate."""
    detail = {"tenant": "acme", "evaluation": evaluation, "model": "support", "candidate": 1, "stable": stable}
    detail |= {"verdict": {"promote": promote, "reason": reason}}
    return {"source": "tuneloop", "detail-type": "EvaluationCompleted", "detail": detail}
