"""Tidying: what no row names any more is deleted, all versions of it.

Versions are listed first and rows are read after that, and only versions that were listed are deleted, none of them
younger than the quiet time, which nobody who wrote one outlives: so what somebody writes meanwhile, and names a moment
later, is never touched.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from tuneloop.domain.evaluation.evaluations import Evaluation
from tuneloop.store.objects.bucket import Objects
from tuneloop.store.objects.export_members import members_key
from tuneloop.store.objects.fingerprints import fingerprints_key
from tuneloop.store.objects.segments import folder_of
from tuneloop.store.repositories.datasets import Datasets
from tuneloop.store.repositories.evaluations import Evaluations
from tuneloop.store.repositories.exports import Exports
from tuneloop.store.repositories.generations import Generations

WHILE_OPEN = ("versions.jsonl", "removed.bin")  # what an evaluation needs beside its answers until it has ended


def tidy_segments(
    tenant: str, dataset: str, *, generations: Generations, objects: Objects, quiet: timedelta, now: datetime
) -> int:
    """Delete a dataset's segments that no row names; tells how many versions there were."""
    folder = folder_of(tenant, dataset)
    return _tidy(folder, lambda: {each.key for each in generations.segments(tenant, dataset)}, objects, quiet, now)


def tidy_exports(
    tenant: str,
    dataset: str,
    *,
    datasets: Datasets,
    exports: Exports,
    objects: Objects,
    quiet: timedelta,
    now: datetime,
) -> int:
    """Delete what no export of a dataset names any more, files of exports that were never finished among it."""

    def named() -> set[str]:
        found = exports.all(tenant, dataset)
        held_out = datasets.get(tenant, dataset).held_out
        return {
            *(file.key for export in found for file in export.files.values()),
            *(members_key(export.folder) for export in found),
            *(fingerprints_key(export.folder) for export in found),
            *(f"{export.folder}/manifest.json" for export in found),
            *(export.held_out for export in found if export.held_out),
            *([held_out.key] if held_out else []),
        }

    return _tidy(f"exports/{tenant}/{dataset}/", named, objects, quiet, now)


def tidy_answers(
    evaluation: Evaluation, *, evaluations: Evaluations, objects: Objects, quiet: timedelta, now: datetime
) -> int:
    """Delete what no evaluation names any more of its answers, and once it has ended also what it asked them by."""
    prefix = f"evaluations/{evaluation.tenant}/{evaluation.id}/"

    def named() -> set[str]:
        found = evaluations.get(evaluation.tenant, evaluation.id)
        parts = {f"{prefix}{arm}-{part:07d}.jsonl" for arm, count in found.parts.items() for part in range(count)}
        return parts | ({prefix + file for file in WHILE_OPEN} if found.is_open else set())

    return _tidy(prefix, named, objects, quiet, now)


def _tidy(prefix: str, named: Callable[[], set[str]], objects: Objects, quiet: timedelta, now: datetime) -> int:
    old = [version for version in objects.everything(prefix) if now - version.modified_at >= quiet]
    keep = named()
    return objects.remove(version for version in old if version.key not in keep or not version.is_latest)
