"""Recording feedback: what a user thought of one answer, counted once for the version that gave it."""

from datetime import datetime

from tuneloop.domain.core.errors import NotFound, Stale
from tuneloop.domain.core.subjects import tenant_hash
from tuneloop.domain.serving.feedback import Feedback
from tuneloop.domain.serving.routing import Inference, parse_inference
from tuneloop.domain.serving.usage import feedback_counters
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.usage import StoredFeedback, Usage

TRIES = 5


def inference_of(tenant: str, feedback: Feedback, *, models: Models) -> Inference:
    """The tenant's inference that feedback is about, or NotFound."""
    inference = parse_inference(feedback.inference_id)
    if inference.tenant_hash != tenant_hash(tenant):
        raise NotFound("There is no such inference.", param="inference_id")
    models.version(tenant, inference.model, inference.version)
    return inference


def record_feedback(tenant: str, feedback: Feedback, inference: Inference, *, usage: Usage, now: datetime) -> None:
    """Count feedback on an inference; later feedback on the same one replaces what it says anew."""
    slot = (inference.model, inference.day, inference.version)
    for _ in range(TRIES):
        old = usage.find_feedback(tenant, feedback.inference_id)
        new = _merged(old, feedback, now)
        before = feedback_counters(old.rating, old.corrected) if old else None
        try:
            usage.replace_feedback(
                tenant, feedback.inference_id, new, slot, before, feedback_counters(new.rating, new.corrected)
            )
        except Stale:  # somebody else spoke about the same inference in between
            continue
        return
    raise Stale("This inference gets feedback too fast; try again.", param="inference_id")


def _merged(old: StoredFeedback | None, feedback: Feedback, now: datetime) -> StoredFeedback:
    """What is known now; `correct` takes a correction back."""
    was_corrected = old.corrected if old and not feedback.correct else False
    return StoredFeedback(
        rating=feedback.rating if feedback.rating is not None else (old.rating if old else None),
        corrected=feedback.correction is not None or was_corrected,
        at=now,
        seq=old.seq if old else 0,
    )
