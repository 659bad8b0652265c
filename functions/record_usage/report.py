"""The usage report: counters read from the table and summed by version, or by version and day."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

from tuneloop.domain.serving.usage import Counters, UsageRow
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.usage import Usage


@dataclass(frozen=True)
class ReportUsage:
    """Sums the usage of a tenant's versions."""

    models: Models
    usage: Usage

    def report(self, tenant: str, model: str | None, days: tuple[date, date], *, by_day: bool) -> list[UsageRow]:
        """Usage of one model, or of all, from the first day to the last, per version or, with `by_day`, per day too."""
        names = [model] if model else [stored.id for stored in self.models.all(tenant)]
        first_day, last_day = (day.isoformat() for day in days)
        rows = [row for name in names for row in self.usage.rows(tenant, name, first_day, last_day)]
        return rows if by_day else _by_version(rows)


def _by_version(rows: list[UsageRow]) -> list[UsageRow]:
    """One row for each version with the sums over all days, in the order of model and number."""
    sums: dict[tuple[str, int], Counters] = defaultdict(Counters)
    for row in rows:
        sums[row.model, row.version] += row
    return [UsageRow(model=model, version=version, **dict(total)) for (model, version), total in sorted(sums.items())]
