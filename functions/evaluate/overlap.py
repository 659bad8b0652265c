"""Overlap: which test rows the compared versions have seen in training, worked out before anything is asked.

A version has seen what its export trained and validated on; if its provider's model came from another one of ours, or
is one of ours under another number, it has seen what that one has too. Rows that any side has seen are asked of none.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from tuneloop.domain.examples import Split
from tuneloop.domain.exports import Export
from tuneloop.domain.fingerprints import Overlap
from tuneloop.domain.registry import Version
from tuneloop.domain.seen_exports import seen_exports
from tuneloop.store.contents import Contents
from tuneloop.store.exports import Exports
from tuneloop.store.fingerprint_backfill import backfill_fingerprints
from tuneloop.store.fingerprints import Fingerprints
from tuneloop.store.membership import Membership
from tuneloop.store.models import Models
from tuneloop.store.objects import Objects
from tuneloop.store.runs import Runs

TEST = (Split.TEST,)


class Removed(NamedTuple):
    """The places in the test file of the rows that somebody has seen, and how many share what with training rows."""

    rows: "array[int]"
    kinds: dict[str, int]


class OverlapSearch(NamedTuple):
    """What the search reads; it writes nothing but the fingerprints of exports that have none yet."""

    models: Models
    runs: Runs
    exports: Exports
    contents: Contents
    membership: Membership
    objects: Objects

    def find(self, export: Export, versions: Iterable[Version], renew: Callable[[], None]) -> Removed:
        """The export's test rows that any of these versions has seen; `renew` is called between its longer steps."""
        self._backfill(export, renew)
        prints, counts, rows = Fingerprints(self.objects), Counter[str](), array("Q")
        overlap = Overlap(prints.rows(export, TEST))
        for seen, splits in self._seen_by(export.tenant, versions):
            self._backfill(seen, renew)
            overlap.add(prints.rows(seen, splits))
            renew()
        for row, test in enumerate(prints.rows(export, TEST)):
            if kinds := overlap.kinds(test):
                rows.append(row)
                counts.update(kinds)
        return Removed(rows, dict(counts))

    def _backfill(self, export: Export, renew: Callable[[], None]) -> None:
        backfill_fingerprints(export, contents=self.contents, membership=self.membership, objects=self.objects)
        renew()

    def _seen_by(self, tenant: str, versions: Iterable[Version]) -> list[tuple[Export, Collection[Split]]]:
        """The exports that went into these versions, each with its splits that did."""
        found: dict[tuple[str, str, str], set[Split]] = {}
        trained = self._trained(tenant)
        for version in versions:
            for source in sources_of(version, trained):
                run = self.runs.find(source.tenant, source.run) if source.run else None
                for seen in seen_exports(source.dataset or "", source.export or "", run):
                    found.setdefault((source.tenant, seen.dataset, seen.export), set()).update(seen.splits)
        return [(self.exports.get(*place), splits) for place, splits in found.items()]

    def _trained(self, tenant: str) -> list[Version]:
        models = self.models.all(tenant)
        return [each for model in models for each in self.models.all_versions(tenant, model.id) if is_trained(each)]


def is_trained(version: Version) -> bool:
    """Whether a version came out of one of our runs, so that it is known what went into it."""
    return bool(version.is_finetuned and version.dataset and version.export)


def sources_of(version: Version, trained: Collection[Version]) -> list[Version]:
    """The trained versions whose training is in a version: itself, the same model by another name, what it came from.

    A model is known by its provider's id, by that of its deployment, and as one of its checkpoints, whose ids begin
    with its own.
    """
    found = [version] if is_trained(version) else []
    names = {version.provider_model, version.base_model}
    while more := [each for each in trained if _is_another(each, version, found) and _is_one_of(each, names)]:
        found += more
        names |= {each.base_model for each in more}
    return found


def _is_another(one: Version, version: Version, found: Collection[Version]) -> bool:
    places = {(each.model, each.number) for each in found}
    return one.provider == version.provider and (one.model, one.number) not in places


def _is_one_of(trained: Version, names: Collection[str]) -> bool:
    own = trained.provider_model
    return own in names or trained.deployment in names or any(name.startswith(f"{own}:ckpt") for name in names)
