"""Finishing: when nobody is left who could hold it, what was rewritten is deleted, here and at the provider.

That is twice the quiet time after the last dataset was cleared: whoever had read something before is gone by then, and
what he may have left behind is no longer young. A run that is under way needs its files; the erasure waits for its end.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from erase_examples.erase import concerned
from erase_examples.purge import tidy_answers, tidy_exports, tidy_segments
from erase_examples.rewrite import with_runs
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.datasets.erasures import Erasure, ErasureStatus, is_settled
from tuneloop.domain.evaluation.evaluations import Evaluation
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


@dataclass
class Finishing:
    """What finishing needs."""

    datasets: Datasets
    generations: Generations
    exports: Exports
    evaluations: Evaluations
    runs: Runs
    erasures: Erasures
    objects: Objects
    providers: Providers
    quiet: timedelta
    now: datetime

    def finish(self, erasure: Erasure) -> Erasure:
        """Take an erasure as far as it can go now."""
        if erasure.status == ErasureStatus.EXCLUDED and self._is_cleared(erasure):
            rewritten = {"status": ErasureStatus.REWRITTEN, "rewritten_at": self.now}
            return self.erasures.save(erasure.model_copy(update=rewritten))
        if erasure.status != ErasureStatus.REWRITTEN or not is_settled(erasure.rewritten_at, self.now, 2 * self.quiet):
            return erasure
        trained = with_runs(erasure, self.runs, erasure.rewritten_at)
        self._tidy(trained)
        if not self._forget_files(trained):
            return erasure if trained == erasure else self.erasures.save(trained)
        return self.erasures.save(trained.model_copy(update={"status": ErasureStatus.DONE, "done_at": self.now}))

    def _is_cleared(self, erasure: Erasure) -> bool:
        names = concerned(erasure, self.datasets)
        return all(self.datasets.get(erasure.tenant, name).cleared >= erasure.number for name in names)

    def _tidy(self, erasure: Erasure) -> None:
        for name in concerned(erasure, self.datasets):
            self._tidy_dataset(erasure.tenant, name)
        exports = {each.export for each in erasure.exports}
        for evaluation in list(self.evaluations.all(erasure.tenant)):
            if evaluation.export in exports:
                self._tidy_answers(evaluation)

    def _tidy_answers(self, evaluation: Evaluation) -> None:
        tidy_answers(evaluation, evaluations=self.evaluations, objects=self.objects, quiet=self.quiet, now=self.now)

    def _tidy_dataset(self, tenant: str, name: str) -> None:
        tidy_segments(tenant, name, generations=self.generations, objects=self.objects, quiet=self.quiet, now=self.now)
        tidy_exports(
            tenant,
            name,
            datasets=self.datasets,
            exports=self.exports,
            objects=self.objects,
            quiet=self.quiet,
            now=self.now,
        )

    def _forget_files(self, erasure: Erasure) -> bool:
        """Delete the providers' files of the runs that have ended; tells whether all have.

        A provider that is away keeps no other from being asked, and the erasure open.
        """
        runs = [self.runs.get(erasure.tenant, run) for run in erasure.runs]
        ended = [run for run in runs if not run.is_open]
        for_each(sorted({run.provider for run in ended}), lambda name: self._forget_files_at(name, ended))
        return len(ended) == len(runs)

    def _forget_files_at(self, name: str, ended: list[ControlledRun]) -> None:
        files = [TrainingFile(run.tenant, run.id, split) for run in ended if run.provider == name for split in Split]
        self.providers.named(name).delete_files(files)
