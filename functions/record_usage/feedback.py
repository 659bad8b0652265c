"""Feedback: a user's judgement of one answer is counted once for its version, and can become examples of a dataset.

Examples are extracted before anything is counted or stored, so feedback that is refused leaves nothing behind. An
example begins with the system prompt that the dataset's versions are served with, in place of the app's, as in serving:
otherwise an app that sends no prompt would train its model without one.

First the subject's vote is stored, then the lines, then the message to judge all votes on this prompt. Feedback that is
repeated after a crash does the same again, and a vote on an example that was never collected decides nothing.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel

from tuneloop.domain.chat.examples import Example, Problem, read_example
from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.chat.rules.conversations import TOOL_LISTS
from tuneloop.domain.core.errors import InvalidInput, NotFound
from tuneloop.domain.core.ids import NO_USER, Name, derived_id, subject_of_hash, tenant_hash
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.datasets.drops import Drop
from tuneloop.domain.datasets.votes import Vote, anonymous_voter, voter_of
from tuneloop.domain.exports.example_hashes import ExampleHashes, example_hashes
from tuneloop.domain.exports.exports import export_id
from tuneloop.domain.serving.feedback import NO_EXAMPLE_TEXTS, Feedback, extract_rows
from tuneloop.domain.serving.routing import Inference, parse_inference
from tuneloop.domain.serving.usage import feedback_counters
from tuneloop.observability import log_failure
from tuneloop.store.queues import Queue
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.posts import BY_FEEDBACK, Posts, posted_line
from tuneloop.store.repositories.usage import StoredFeedback, Usage
from tuneloop.store.repositories.votes import Votes
from tuneloop.store.retry import retry_stale
from tuneloop.validation.line_parser import isolate_line

NO_PAIR = "The two answers make no preference pair: those are of text only, and both say something."


class FeedbackReceipt(BaseModel):
    """The result of feedback: the examples that it makes once `drop` is collected, or the `reason` why it makes none.

    The dataset's `trust` settings, or else a review, decide whether those examples are trained on.
    """

    inference_id: str
    model: Name
    version: int
    becomes_example: bool
    examples: list[str] = []
    drop: Name | None = None
    reason: str | None = None


class ExtractedExample(NamedTuple):
    """An example made from feedback, with the hashes by which votes on it are compared, and its line in the post."""

    example: Example
    hashes: ExampleHashes
    line: bytes


class ExtractedExamples(NamedTuple):
    """The examples made from feedback, the supervised one first, and the `reason` if some or all can't be made."""

    dataset: str
    subject: str | None
    examples: list[ExtractedExample]
    reason: str | None = None

    @property
    def ids(self) -> list[str]:
        """The ids of the examples."""
        return [extracted.example.id for extracted in self.examples]


@dataclass(frozen=True)
class RecordFeedback:
    """Counts feedback for the version that answered, and posts the examples made from it to a dataset."""

    models: Models
    usage: Usage
    datasets: Datasets
    exports: Exports
    votes: Votes
    posts: Posts
    queue: Queue

    def record(self, tenant: str, feedback: Feedback, now: datetime) -> FeedbackReceipt:
        """Record feedback on an inference; NotFound if that isn't the tenant's, InvalidInput for a bad example."""
        inference = parse_inference(feedback.inference_id)
        if inference.tenant_hash != tenant_hash(tenant):
            raise NotFound("There is no such inference.", param="inference_id")
        self.models.version(tenant, inference.model, inference.version)
        extracted = self._extract_examples(tenant, feedback, inference)
        self._count(tenant, feedback, inference, now)
        drop = self._submit_examples(tenant, extracted, inference, now) if extracted.examples else None
        return FeedbackReceipt(
            inference_id=feedback.inference_id,
            model=inference.model,
            version=inference.version,
            becomes_example=drop is not None,
            examples=extracted.ids,
            drop=drop,
            reason=extracted.reason,
        )

    def _count(self, tenant: str, feedback: Feedback, inference: Inference, now: datetime) -> None:
        """Count feedback on an inference; later feedback replaces the rating and correction that it sets anew."""
        slot = (inference.model, inference.day, inference.version)

        def replace() -> None:
            """Merge with the stored feedback; Stale if other feedback on this inference was stored in between."""
            old = self.usage.find_feedback(tenant, feedback.inference_id)
            new = _merge(old, feedback, now)
            before = feedback_counters(old.rating, old.corrected) if old else None
            after = feedback_counters(new.rating, new.corrected)
            self.usage.replace_feedback(tenant, feedback.inference_id, new, slot, before, after)

        retry_stale(replace, "Feedback on this inference")

    def _extract_examples(self, tenant: str, feedback: Feedback, inference: Inference) -> ExtractedExamples:
        """The examples that feedback makes for the dataset that it names, or by default for the model's own.

        InvalidInput if the supervised example can't be used; an unusable preference pair is left out, with a reason.
        """
        subject = feedback.subject or (subject_of_hash(inference.user_hash) if inference.user_hash != NO_USER else None)
        name = feedback.dataset or inference.model
        dataset = self.datasets.find(tenant, name)
        template = dataset.template.template if dataset and dataset.template else None
        prompt = self._served_prompt(dataset) if dataset else None
        extraction = extract_rows(feedback, subject, inference.day, prompt, template)
        if extraction.why:
            return ExtractedExamples(name, subject, [], NO_EXAMPLE_TEXTS[extraction.why])
        if dataset is None:
            reason = f"There is no dataset {name}; `dataset` names the one that is to learn from it."
            return ExtractedExamples(name, subject, [], reason)
        first, *pairs = [isolate_line(0, _extract, row, log=log_failure) for row in extraction.rows]
        examples = [_require_usable(first), *(pair for pair in pairs if isinstance(pair, ExtractedExample))]
        return ExtractedExamples(name, subject, examples, None if len(examples) == len(extraction.rows) else NO_PAIR)

    def _served_prompt(self, dataset: Dataset) -> str | None:
        """The system prompt that versions of a dataset's newest export are served with; without one its template's."""
        revision = dataset.exported_revision
        identity = export_id(dataset.tenant, dataset.id, revision, dataset.policy_at(revision))
        if export := self.exports.find(dataset.tenant, dataset.id, identity):
            return export.served_prompt
        return dataset.template.template.system if dataset.template else None

    def _submit_examples(self, tenant: str, extracted: ExtractedExamples, inference: Inference, now: datetime) -> str:
        """Store the subject's vote, post the examples, and queue the judging of their prompt; returns the drop's id."""
        name, subject, lines = extracted.dataset, extracted.subject, [example.line for example in extracted.examples]
        hashes = extracted.examples[0].hashes
        vote = Vote(
            tenant=tenant,
            dataset=name,
            unit=hashes.prompt_hash,
            voter=voter_of(tenant, subject) if subject else anonymous_voter(inference.id),
            is_subject=subject is not None,
            answer=hashes.answer_hash,
            examples=extracted.ids,
            inference=inference.id,
            at=now,
        )
        self.votes.cast(vote)
        identity = derived_id("drop", tenant, name, *lines)
        new = Drop(id=identity, tenant=tenant, dataset=name, object=BY_FEEDBACK, created_at=now)
        stored = self.datasets.find_drop(tenant, name, identity)
        drop = self.posts.add(stored or new, lines)
        self.queue.send(json.dumps({"judge": {"tenant": tenant, "dataset": name, "unit": vote.unit}}))
        return drop.id


def _merge(old: StoredFeedback | None, feedback: Feedback, now: datetime) -> StoredFeedback:
    """The stored feedback with the new one laid over it; `correct` takes an earlier correction back."""
    was_corrected = old.corrected if old and not feedback.correct else False
    return StoredFeedback(
        rating=feedback.rating if feedback.rating is not None else (old.rating if old else None),
        corrected=feedback.correction is not None or was_corrected,
        at=now,
        seq=old.seq if old else 0,
    )


def _extract(row: JsonObject) -> ExtractedExample | list[Problem]:
    """The example that a row makes, with its hashes and its line, or the row's problems."""
    example = read_example(row, 0)
    if not isinstance(example, Example):
        return example
    return ExtractedExample(example, example_hashes(example), posted_line(row))


def _require_usable(extracted: ExtractedExample | list[Problem]) -> ExtractedExample:
    """Return the example; InvalidInput, naming the field of the request, if the row has problems."""
    if isinstance(extracted, ExtractedExample):
        return extracted
    problem = extracted[0]
    path = problem.path.removeprefix("$.")
    param = path if path.startswith(("messages", *TOOL_LISTS)) else "feedback"
    raise InvalidInput(problem.message, param=param, code=problem.code)
