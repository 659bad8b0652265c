"""The parts of a bill: assumptions, amounts of what AWS bills, DynamoDB's units, and the price list.

A write costs a unit for each KB of the larger of the old and the new row, the same for each index that the row is in,
twice that where it moves within an index, and double in a transaction. A read costs a unit for each 4 KB, and half as
much where it is not consistent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

HOURS = 730.0  # a month, as AWS counts it
SECONDS = HOURS * 3600
GB = 1e9
EVENT_BYTES = 26  # CloudWatch bills so many bytes more for each log event
VCPU_MB = 1769  # the memory at which Lambda gives a function one whole vCPU
ROW_OVERHEAD = 100  # DynamoDB's storage counts so many bytes more for a row, in the table and in each index
PRICES = Path(__file__).resolve().parents[1] / "prices.json"
Row = Mapping[str, Any]
Index = tuple[str, str]  # the attributes of its key


@dataclass(frozen=True)
class Assumptions:
    """What can be neither read from the template nor measured for a bill; times in seconds, sizes in bytes."""

    prompt_tokens: int = 300
    answer_tokens: int = 100
    bytes_per_token: int = 4
    headers: int = 1_000  # of an answer or a request to the provider, with its share of TLS
    provider_wait_s: float = 1.0  # Lambda bills waiting like working
    aws_wait_s: float = 0.010  # for each request to an AWS service
    cold_share: float = 0.01  # AWS: under 1% of invocations; its start is billed since August 2025
    cold_share_of_schedules: float = 0.10  # what wakes every 5 minutes may find its environment gone
    feedback_share: float = 0.05
    drop_lines: int = 2_000
    drops_a_month: int = 1  # each with its export, training run, evaluation and decision
    kept_months: float = 12.0  # rows and objects that nothing deletes: their size after a year
    log_compression: float = 0.15
    key_cached_s: float = 30.0
    poll_s: float = 20.0  # an empty long poll
    pollers: int = 5  # per queue with a maximum concurrency, by Lambda's documentation

    def describe(self) -> dict[str, str]:
        """The assumptions as sentences, by their subject."""
        return {
            "calls": "spread evenly over the month; one tenant, one dataset, one model, one version that answers",
            "tokens per call": f"{self.prompt_tokens} in, {self.answer_tokens} out, {self.bytes_per_token} bytes each",
            "provider": f"answers in {self.provider_wait_s:g} s, all of it billed as Lambda time; its tokens are "
            "not part of this bill",
            "CPU": f"this machine's core counts as one vCPU; a function gets memory/{VCPU_MB} MB of it",
            "waiting for AWS": f"{self.aws_wait_s * 1000:g} ms a request",
            "cold starts": f"{self.cold_share:.0%} of invocations, "
            f"{self.cold_share_of_schedules:.0%} of scheduled ones",
            "feedback": f"on {self.feedback_share:.0%} of the calls, in requests of their own",
            "training": f"{self.drops_a_month} drop of {self.drop_lines:,} lines a month, "
            "with export, run, evaluation and decision",
            "storage": f"as it is after {self.kept_months:g} months; what expires, as long as it is kept",
            "queues": f"{self.pollers} pollers each, empty polls of {self.poll_s:g} s, one receive a message, "
            "batches of 1 + rate x window / pollers",
            "logs": f"{EVENT_BYTES} bytes more per event, kept at {self.log_compression:.0%} of their size",
            "data out": f"answers and prompts with {self.headers:,} bytes of headers each",
        }


class Amounts(dict[str, float]):
    """Amounts by name: the names of the price list, those that they are derived from, and each custom metric."""

    def __missing__(self, name: str) -> float:
        return 0.0

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts({name: self[name] + other[name] for name in self | other})

    def __sub__(self, other: "Amounts") -> "Amounts":
        """The difference of the amounts; 0 where this has less than the other."""
        return Amounts({name: max(0.0, self[name] - other[name]) for name in self | other})

    def __mul__(self, times: float) -> "Amounts":
        return Amounts({name: amount * times for name, amount in self.items()})


def size(row: Row) -> int:
    """The bytes that DynamoDB counts for a row: its attributes' names and values."""
    return sum(len(name.encode()) + _value_size(value) for name, value in row.items())


def _value_size(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return len(content) // 2 + 2
        case "L":
            return 3 + sum(1 + _value_size(part) for part in content)
        case "M":
            return 3 + len(content) + size(content)
        case "BOOL" | "NULL":
            return 1
    raise ValueError(f"no row of ours has a {kind}")


def read_units(rows: Sequence[Row], *, consistent: bool) -> float:
    """The read units of one request that returns these rows."""
    steps = max(1, ceil(sum(map(size, rows)) / 4096))
    return steps if consistent else steps / 2


def write_units(old: Row | None, new: Row | None, indexes: Sequence[Index]) -> int:
    """The write units of changing the row `old` to `new` outside of a transaction."""
    return _steps(old, new) + sum(_index_units(old, new, index) for index in indexes)


def stored_bytes(row: Row, indexes: Sequence[Index]) -> int:
    """The bytes that storage bills for a row, its copies in indexes included."""
    copies = 1 + sum(_place(row, index) is not None for index in indexes)
    return copies * (size(row) + ROW_OVERHEAD)


def _index_units(old: Row | None, new: Row | None, index: Index) -> int:
    before, after = _place(old, index), _place(new, index)
    if before and after and before != after:
        return _steps(old) + _steps(new)
    return _steps(old if before else None, new if after else None) if before or after else 0


def _place(row: Row | None, index: Index) -> tuple[Any, ...] | None:
    return tuple(row[name] for name in index) if row is not None and all(name in row for name in index) else None


def _steps(*rows: Row | None) -> int:
    return max(1, *(ceil(size(row) / 1024) for row in rows if row), 0)


class UnitPrice(BaseModel):
    """The US dollars for `per` units, AWS's page for it, and the day it was read there or, unverified, elsewhere."""

    service: str
    usd: float = Field(ge=0)
    per: int = Field(gt=0)
    unit: str
    read: date
    source: str = Field(pattern=r"^https://aws\.amazon\.com/")
    verified: bool
    seen: str | None = None


class PriceList(BaseModel):
    """The prices of one region by the name of what is billed."""

    region: str
    read: date
    note: str
    prices: dict[str, UnitPrice]


def read_prices(file: Path = PRICES) -> PriceList:
    """The price list of `bench/prices.json`."""
    return PriceList.model_validate_json(file.read_text("utf-8"))
