"""Reading one example: as it stands, what was decided about it, and where it was used."""

from review_examples.views import ExampleHistory, UseView, content_in, example_fields, review_view
from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.datasets.origins import FEEDBACK
from tuneloop.domain.datasets.reviews import decision_of
from tuneloop.domain.datasets.votes import Vote
from tuneloop.domain.exports.columns import Outcome
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.store.objects.export_members import Membership
from tuneloop.store.objects.stored_lines import read_line
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.reviews import Reviews
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.repositories.votes import Votes

EXPORTS_LOOKED_AT = 50
RUNS_LOOKED_AT = 500


def read_one(
    tenant: str,
    name: str,
    example: str,
    *,
    datasets: Datasets,
    contents: Contents,
    reviews: Reviews,
    exports: Exports,
    membership: Membership,
    runs: Runs,
    votes: Votes,
) -> ExampleHistory:
    """One example with its history and the latest 50 exports that had it; NotFound where the dataset has none such."""
    dataset = datasets.get(tenant, name)
    original = contents.originals(tenant, name, dataset.revision, [example]).get(example)
    if original is None:
        raise NotFound(f"Dataset {name} has no example {example}.", param="example")
    history = reviews.of(tenant, name, dataset.revision, example)
    decision = decision_of(history)
    stored = read_line(decision.line.encode()) if decision.line else original
    found = exports.page(tenant, name, EXPORTS_LOOKED_AT, None).data
    outcomes = [(export, membership.outcome_in(export, example)) for export in found]
    used = {export.id: (export, outcome) for export, outcome in outcomes if outcome is not None}
    made = [run for run in runs.page(tenant, RUNS_LOOKED_AT, None).data if run.export in used] if used else []
    return ExampleHistory(
        **example_fields(stored, decision),
        original=content_in(original) if decision.line else None,
        inferences=_inferences(votes.on(tenant, name, original.unit), example) if original.source in FEEDBACK else [],
        reviews=[review_view(review) for review in history],
        uses=[_use(export, outcome, made) for export, outcome in used.values()],
        model=dataset.model,
    )


def _inferences(votes: list[Vote], example: str) -> list[str]:
    return sorted({vote.inference for vote in votes if example in (*vote.examples, *vote.withdrawn)})


def _use(export: Export, outcome: Outcome, runs: list[ControlledRun]) -> UseView:
    trained = [run for run in runs if run.export == export.id]
    return UseView(
        export=export.id,
        revision=export.revision,
        outcome=outcome.name.lower(),
        created_at=export.created_at,
        runs=[run.id for run in trained],
        versions=[run.version for run in trained if run.version is not None],
    )
