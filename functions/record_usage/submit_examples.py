"""Learning from feedback: its lines are written down to be collected, and its subject's vote is cast.

The vote comes first, then the lines, then the request to judge what all have said about this prompt. Whoever repeats
the feedback after a crash does the same again, and a vote on an example that never came decides nothing.
"""

import json
from datetime import datetime
from typing import NamedTuple

from record_usage.extracted_examples import ExtractedExamples
from tuneloop.domain.core.ids import derived_id
from tuneloop.domain.datasets.datasets import Drop
from tuneloop.domain.datasets.votes import Vote, anonymous_voter, voter_of
from tuneloop.domain.serving.routing import Inference
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.posts import BY_FEEDBACK, post_drop
from tuneloop.store.repositories.votes import Votes


class SubmittedExamples(NamedTuple):
    """What becomes of feedback: its examples and the collection that brings them, or why there are none, or not all."""

    examples: list[str]
    drop: str | None = None
    reason: str | None = None


def submit_examples(
    tenant: str,
    studied: ExtractedExamples,
    inference: Inference,
    *,
    datasets: Datasets,
    votes: Votes,
    objects: Objects,
    queue: Queue,
    now: datetime,
) -> SubmittedExamples:
    """Make examples of what was studied."""
    name, subject, lines = studied.dataset, studied.subject, [taught.line for taught in studied.taught]
    if not lines:
        return SubmittedExamples([], reason=studied.reason)
    facts = studied.taught[0].facts
    vote = Vote(
        tenant=tenant,
        dataset=name,
        unit=facts.prompt_hash,
        voter=voter_of(tenant, subject) if subject else anonymous_voter(inference.id),
        is_subject=subject is not None,
        answer=facts.answer_hash,
        examples=[taught.example.id for taught in studied.taught],
        inference=inference.id,
        at=now,
    )
    votes.cast(vote)
    identity = derived_id("drop", tenant, name, *lines)
    made = Drop(id=identity, tenant=tenant, dataset=name, object=BY_FEEDBACK, created_at=now)
    known = datasets.find_drop(tenant, name, identity)
    drop = post_drop(known or made, lines, datasets=datasets, objects=objects, queue=queue)
    queue.send(json.dumps({"judge": {"tenant": tenant, "dataset": name, "unit": vote.unit}}))
    return SubmittedExamples(vote.examples, drop.id, studied.reason)
