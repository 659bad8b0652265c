"""The end of an erasure: old files with erased examples are deleted, in the bucket and at the providers.

That happens twice the quiet time after the last dataset was rewritten. After the first, every process that had read
erased examples has ended; after the second, the objects that it wrote are old enough to be deleted. An open run needs
its files, so the erasure waits for it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from erase_examples.erase import concerned_datasets
from erase_examples.purge import PurgeAnswers, PurgeExports, PurgeSegments
from erase_examples.rewrite import with_runs
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.erasures import Erasure, ErasureStatus, is_settled
from tuneloop.domain.training.jobs import TrainingFile
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.providers.registry import Providers
from tuneloop.runtime.best_effort import for_each
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.erasures import Erasures
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.generations import Generations
from tuneloop.store.repositories.runs import Runs


@dataclass(frozen=True)
class FinishErasure:
    """Deletes the objects and provider files that an erasure leaves behind; no process outlives the time `quiet`."""

    datasets: Datasets
    generations: Generations
    exports: Exports
    evaluations: Evaluations
    runs: Runs
    erasures: Erasures
    objects: Objects
    providers: Providers
    quiet: timedelta

    def finish(self, erasure: Erasure, now: datetime) -> Erasure:
        """Take an erasure one step further if its time has come; return it as stored."""
        if erasure.status == ErasureStatus.EXCLUDED and self._is_rewritten(erasure):
            update = {"status": ErasureStatus.REWRITTEN, "rewritten_at": now}
            return self.erasures.save(erasure.model_copy(update=update))
        if erasure.status != ErasureStatus.REWRITTEN or not is_settled(erasure.rewritten_at, now, 2 * self.quiet):
            return erasure
        trained = with_runs(erasure, self.runs.all(erasure.tenant), erasure.rewritten_at)
        self._purge(trained, now)
        if not self._delete_provider_files(trained):
            return erasure if trained == erasure else self.erasures.save(trained)
        return self.erasures.save(trained.model_copy(update={"status": ErasureStatus.DONE, "done_at": now}))

    def _is_rewritten(self, erasure: Erasure) -> bool:
        names = concerned_datasets(erasure, self.datasets)
        return all(self.datasets.get(erasure.tenant, name).cleared >= erasure.number for name in names)

    def _purge(self, erasure: Erasure, now: datetime) -> None:
        for name in concerned_datasets(erasure, self.datasets):
            PurgeSegments(self.generations, self.objects, self.quiet).purge(erasure.tenant, name, now)
            PurgeExports(self.datasets, self.exports, self.objects, self.quiet).purge(erasure.tenant, name, now)
        exports = {held_export.export for held_export in erasure.exports}
        for evaluation in list(self.evaluations.all(erasure.tenant)):
            if evaluation.export in exports:
                PurgeAnswers(self.evaluations, self.objects, self.quiet).purge(evaluation, now)

    def _delete_provider_files(self, erasure: Erasure) -> bool:
        """Delete the training files, at their providers, of the runs that have ended; returns whether all runs have.

        An unavailable provider doesn't keep the others from being asked, but the erasure stays open.
        """
        runs = [self.runs.get(erasure.tenant, run) for run in erasure.runs]
        ended = [run for run in runs if not run.is_open]
        for_each(sorted({run.provider for run in ended}), lambda provider: self._delete_files_at(provider, ended))
        return len(ended) == len(runs)

    def _delete_files_at(self, provider: str, ended: list[ControlledRun]) -> None:
        runs = [run for run in ended if run.provider == provider]
        files = [TrainingFile(run.tenant, run.id, split) for run in runs for split in Split]
        self.providers.get(provider).delete_files(files)
