"""The price list: AWS's unit prices as dated data, one line per thing that a bill counts."""

import json
from datetime import date
from pathlib import Path

from pydantic import BaseModel, Field

FILE = Path(__file__).resolve().parent.parent / "prices.json"


class Price(BaseModel):
    """What `per` units cost in US dollars, where AWS says so, and when it was read there or, unverified, elsewhere."""

    service: str
    usd: float = Field(ge=0)
    per: int = Field(gt=0)
    unit: str
    read: date
    source: str = Field(pattern=r"^https://aws\.amazon\.com/")
    verified: bool
    seen: str | None = None

    def of(self, quantity: float) -> float:
        """The price of a quantity."""
        return quantity / self.per * self.usd


class PriceList(BaseModel):
    """The prices of one region by the name of what they count."""

    region: str
    read: date
    note: str
    prices: dict[str, Price]


def read_prices(file: Path = FILE) -> PriceList:
    """The price list that the repository brings."""
    return PriceList.model_validate(json.loads(file.read_text("utf-8")))
