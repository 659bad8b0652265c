"""Learning from feedback: its lines are written down to be collected, and its subject's vote is cast.

The vote comes first, then the lines, then the request to judge what all have said about this prompt. Whoever repeats
the feedback after a crash does the same again, and a vote on an example that never came decides nothing.
"""

import json
from datetime import datetime
from typing import NamedTuple

import orjson

from tuneloop.domain.datasets import Drop
from tuneloop.domain.errors import InvalidInput
from tuneloop.domain.examples import Example, read_example
from tuneloop.domain.facts import facts_of
from tuneloop.domain.feedback import REASONS, Feedback, lesson_of
from tuneloop.domain.ids import derived_id
from tuneloop.domain.messages import JsonObject
from tuneloop.domain.routing import Inference
from tuneloop.domain.trust import Vote, voter_of
from tuneloop.posting import BY_FEEDBACK, post_drop
from tuneloop.store.datasets import Datasets
from tuneloop.store.objects import Objects
from tuneloop.store.queues import Queue
from tuneloop.store.votes import Votes

NO_USER = "0"


class Learnt(NamedTuple):
    """What becomes of feedback: its examples and the collection that brings them, or why there are none."""

    examples: list[str]
    drop: str | None = None
    reason: str | None = None


def learn(
    tenant: str,
    feedback: Feedback,
    inference: Inference,
    *,
    datasets: Datasets,
    votes: Votes,
    objects: Objects,
    queue: Queue,
    now: datetime,
) -> Learnt:
    """Make examples of feedback, in the dataset that it names or in the one of its model's name."""
    subject = feedback.subject or (inference.user_hash if inference.user_hash != NO_USER else None)
    lesson = lesson_of(feedback, subject, inference.day)
    if lesson.why:
        return Learnt([], reason=REASONS[lesson.why])
    name = feedback.dataset or inference.model
    if datasets.find(tenant, name) is None:
        return Learnt([], reason=f"There is no dataset {name}; `dataset` names the one that is to learn from it.")
    examples = [_checked(row) for row in lesson.rows]
    facts = facts_of(examples[0])
    vote = Vote(
        tenant=tenant,
        dataset=name,
        unit=facts.unit,
        voter=voter_of(subject or inference.id),
        is_subject=subject is not None,
        answer=facts.answer,
        examples=[example.id for example in examples],
        inference=inference.id,
        at=now,
    )
    votes.cast(vote)
    lines = [orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in lesson.rows]
    identity = derived_id("drop", tenant, name, *lines)
    made = Drop(id=identity, tenant=tenant, dataset=name, object=BY_FEEDBACK, created_at=now)
    known = datasets.find_drop(tenant, name, identity)
    drop = post_drop(known or made, lines, datasets=datasets, objects=objects, queue=queue)
    queue.send(json.dumps({"judge": {"tenant": tenant, "dataset": name, "unit": vote.unit}}))
    return Learnt(vote.examples, drop.id)


def _checked(row: JsonObject) -> Example:
    found = read_example(row, 0)
    if isinstance(found, Example):
        return found
    problem = found[0]
    path = problem.path.removeprefix("$.").removeprefix("input.")
    raise InvalidInput(
        problem.message, param=path if path.startswith(("messages", "tools")) else "feedback", code=problem.code
    )
