"""Studying: what can be learnt from feedback, before any of it is counted or kept: what is refused leaves nothing.

What was asked is led by the prompt that the dataset's versions are served with, in place of the app's, as serving does:
else an app that sends no prompt would train its model without one.
"""

from typing import NamedTuple

from tuneloop.domain.chat.examples import Example, Problem, read_example
from tuneloop.domain.chat.messages import JsonObject
from tuneloop.domain.chat.rules.tools import LISTS
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.subjects import NO_USER, subject_of_hash
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.exports.example_hashes import ExampleHashes, example_hashes
from tuneloop.domain.exports.exports import export_id
from tuneloop.domain.serving.feedback import REASONS, Feedback, extract_rows
from tuneloop.domain.serving.routing import Inference
from tuneloop.observability import log_failure
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.posts import posted_line
from tuneloop.validation.line_parser import isolate_line

NO_PAIR = "The two answers make no preference pair: those are of text only, and both say something."


class Taught(NamedTuple):
    """An example that feedback teaches: its facts, by which votes on it are compared, and its line of a post."""

    example: Example
    facts: ExampleHashes
    line: bytes


class ExtractedExamples(NamedTuple):
    """What feedback teaches a dataset, the supervised example first, or the reason why there is nothing, or not all."""

    dataset: str
    subject: str | None
    taught: list[Taught]
    reason: str | None = None


def extract_examples(
    tenant: str, feedback: Feedback, inference: Inference, *, datasets: Datasets, exports: Exports
) -> ExtractedExamples:
    """What feedback teaches the dataset that it names, else the one of its model's name; InvalidInput if unusable."""
    subject = feedback.subject or (subject_of_hash(inference.user_hash) if inference.user_hash != NO_USER else None)
    name = feedback.dataset or inference.model
    dataset = datasets.find(tenant, name)
    template = dataset.template.template if dataset and dataset.template else None
    prompt = _prompt_of(dataset, exports) if dataset else None
    lesson = extract_rows(feedback, subject, inference.day, prompt, template)
    if lesson.why:
        return ExtractedExamples(name, subject, [], REASONS[lesson.why])
    if dataset is None:
        reason = f"There is no dataset {name}; `dataset` names the one that is to learn from it."
        return ExtractedExamples(name, subject, [], reason)
    first, *pairs = [isolate_line(0, _taught, row, log=log_failure) for row in lesson.rows]
    taught = [_checked(first), *(pair for pair in pairs if isinstance(pair, Taught))]
    return ExtractedExamples(name, subject, taught, None if len(taught) == len(lesson.rows) else NO_PAIR)


def _prompt_of(dataset: Dataset, exports: Exports) -> str | None:
    """What the versions of its newest export are led by, or will be by its template."""
    revision = dataset.exported_revision
    export = exports.find(
        dataset.tenant, dataset.id, export_id(dataset.tenant, dataset.id, revision, dataset.policy_at(revision))
    )
    if export:
        return export.served_prompt
    return dataset.template.template.system if dataset.template else None


def _taught(row: JsonObject) -> Taught | list[Problem]:
    found = read_example(row, 0)
    return Taught(found, example_hashes(found), posted_line(row)) if isinstance(found, Example) else found


def _checked(found: Taught | list[Problem]) -> Taught:
    if isinstance(found, Taught):
        return found
    problem = found[0]
    path = problem.path.removeprefix("$.")
    param = path if path.startswith(("messages", *LISTS)) else "feedback"
    raise InvalidInput(problem.message, param=param, code=problem.code)
