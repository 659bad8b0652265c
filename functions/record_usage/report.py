"""The usage report: counters read from the table and summed by version, or by version and day."""

from collections import defaultdict
from datetime import date

from tuneloop.domain.serving.usage import Counters, UsageRow
from tuneloop.store.repositories.models import Models
from tuneloop.store.repositories.usage import Usage


def report(
    tenant: str, model: str | None, first_day: date, last_day: date, *, by_day: bool, models: Models, usage: Usage
) -> list[UsageRow]:
    """Usage of one model or of all, per version and, if asked, per day."""
    names = [model] if model else [each.id for each in models.all(tenant)]
    days = (first_day.isoformat(), last_day.isoformat())
    rows = [row for name in names for row in usage.rows(tenant, name, *days)]
    return rows if by_day else _by_version(rows)


def _by_version(rows: list[UsageRow]) -> list[UsageRow]:
    sums: dict[tuple[str, int], Counters] = defaultdict(Counters)
    for row in rows:
        sums[row.model, row.version] += row
    return [UsageRow(model=model, version=version, **dict(total)) for (model, version), total in sorted(sums.items())]
