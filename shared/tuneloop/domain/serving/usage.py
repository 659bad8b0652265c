"""Usage and feedback: what inferences cost and what users thought of them, counted per version and day.

Counters are sharded rows that are only ever added to, one transaction per batch with a marker of the batch, so a batch
delivered twice counts once. Money is exact decimals; calls whose cost is unknown are counted apart, not as zero.
"""

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from tuneloop.domain.core.ids import Name
from tuneloop.domain.core.pricing import Usd


class UsageRecord(BaseModel):
    """One call's cost: tokens, and USD or None where that is unknown.

    It is not metered where its provider didn't tell how many tokens were read and written; what it told is here.
    """

    model_config = ConfigDict(extra="ignore")  # messages of an older stage have more fields

    model: Name
    version: int
    fallback: bool = False
    failed: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: Usd | None = None
    is_metered: bool = True
    is_upper_bound: bool = False
    at: datetime


class UsageBatch(BaseModel):
    """Records that are counted together or not at all; a batch delivered again is known by its `id`."""

    id: str
    tenant: Name
    records: list[UsageRecord]


class Counters(BaseModel):
    """What is counted per model, version and day.

    `cost_usd` is without the `unpriced_calls`, whose cost is not known: the model's price isn't, or their tokens
    aren't, as in the `unmetered_calls`, whose provider didn't tell them. `cached_tokens` of the prompts' came from the
    provider's cache; in `upper_bound_calls` they are counted at the full rate, as the cached one isn't known.
    """

    calls: int = 0
    failed: int = 0
    fallbacks: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Usd = Decimal(0)
    unpriced_calls: int = 0
    unmetered_calls: int = 0
    upper_bound_calls: int = 0
    feedback: int = 0
    corrections: int = 0
    ratings: int = 0
    rating_sum: int = 0

    def __add__(self, other: "Counters") -> "Counters":
        return Counters(**{name: getattr(self, name) + getattr(other, name) for name in Counters.model_fields})


class UsageRow(Counters):
    """One line of the usage report; `day` is absent where days are summed."""

    model: Name
    version: int
    day: str | None = None


def usage_counters(record: UsageRecord) -> Counters:
    """The amounts that one inference adds to its counters."""
    return Counters(
        calls=1,
        failed=int(record.failed),
        fallbacks=int(record.fallback),
        prompt_tokens=record.prompt_tokens,
        cached_tokens=record.cached_tokens,
        completion_tokens=record.completion_tokens,
        cost_usd=record.cost_usd or Decimal(0),
        unpriced_calls=int(record.cost_usd is None and not record.failed),
        unmetered_calls=int(not record.is_metered and not record.failed),
        upper_bound_calls=int(record.is_upper_bound),
    )


def feedback_counters(rating: int | None, corrected: bool) -> Counters:
    """The amounts that the feedback on one inference adds to its counters."""
    return Counters(feedback=1, corrections=int(corrected), ratings=int(rating is not None), rating_sum=rating or 0)


def counter_changes(old: Counters | None, new: Counters) -> dict[str, int | Decimal]:
    """The amounts that turn the counters `old` into `new` when added; zeros are left out."""
    before = (old or Counters()).model_dump()
    return {name: value - before[name] for name, value in new.model_dump().items() if value != before[name]}
