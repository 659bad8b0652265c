"""One example: its current content, the decisions on it, and the exports, runs and versions that used it."""

from dataclasses import dataclass

from review_examples.views import ExampleHistory, UseView, content_of, example_fields, review_view
from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.datasets.origins import FEEDBACK
from tuneloop.domain.datasets.reviews import decision_of
from tuneloop.domain.datasets.votes import Vote
from tuneloop.domain.exports.columns import Outcome
from tuneloop.domain.exports.exports import Export
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.store.objects.export_columns import Membership
from tuneloop.store.objects.segments import read_line
from tuneloop.store.repositories.contents import Contents
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.reviews import Reviews
from tuneloop.store.repositories.runs import Runs
from tuneloop.store.repositories.votes import Votes

# The newest exports and runs in which the uses of an example are looked for. Each export costs a read of its list of
# members, so the numbers bound how long the answer takes; older uses aren't shown.
MAX_EXPORTS = 50
MAX_RUNS = 500


@dataclass(frozen=True)
class GetExample:
    """Reads one example with the decisions on it and the exports that included or left it out."""

    datasets: Datasets
    contents: Contents
    reviews: Reviews
    exports: Exports
    membership: Membership
    runs: Runs
    votes: Votes

    def get(self, tenant: str, name: str, example: str) -> ExampleHistory:
        """The example, its reviews and its uses in the latest 50 exports; NotFound if the dataset doesn't hold it."""
        dataset = self.datasets.get(tenant, name)
        original = self.contents.originals(tenant, name, dataset.revision, [example]).get(example)
        if original is None:
            raise NotFound(f"Dataset {name} has no example {example}.", param="example")
        reviews = self.reviews.of(tenant, name, dataset.revision, example)
        decision = decision_of(reviews)
        stored = read_line(decision.line.encode()) if decision.line else original
        votes = self.votes.on(tenant, name, original.unit) if original.source in FEEDBACK else []
        return ExampleHistory(
            **example_fields(stored, decision),
            original=content_of(original) if decision.line else None,
            inferences=_inferences(votes, example),
            reviews=[review_view(review) for review in reviews],
            uses=self._uses(tenant, name, example),
            model=dataset.model,
        )

    def _uses(self, tenant: str, name: str, example: str) -> list[UseView]:
        exports = self.exports.page(tenant, name, MAX_EXPORTS, None).data
        outcomes = [(export, self.membership.outcome_in(export, example)) for export in exports]
        uses = {export.id: (export, outcome) for export, outcome in outcomes if outcome is not None}
        if not uses:
            return []
        runs = [run for run in self.runs.page(tenant, MAX_RUNS, None).data if run.export in uses]
        return [_use(export, outcome, runs) for export, outcome in uses.values()]


def _inferences(votes: list[Vote], example: str) -> list[str]:
    """The ids of the inferences whose feedback made an example or withdrew it: of each voter, the latest one."""
    return sorted({vote.inference for vote in votes if example in (*vote.examples, *vote.withdrawn)})


def _use(export: Export, outcome: Outcome, runs: list[ControlledRun]) -> UseView:
    """The use of an example by one export, with those of the runs that trained on this export."""
    trained = [run for run in runs if run.export == export.id]
    return UseView(
        export=export.id,
        revision=export.revision,
        outcome=outcome.name.lower(),
        created_at=export.created_at,
        runs=[run.id for run in trained],
        versions=[run.version for run in trained if run.version is not None],
    )
