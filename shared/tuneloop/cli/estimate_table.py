"""Estimates as a table, with what there is to know of a base model below its line."""

from rich.console import Console
from rich.table import Column, Table

from tuneloop.domain.training.estimates import Estimate, ImageTokens, UsdRange
from tuneloop.providers.catalog import ANY_MODEL

# Characters of a line. Notes stand between the lines of the table, so an estimate is one line on a narrow terminal too,
# and rich cuts off what is longer: with the largest numbers that may be asked for, today's catalog needs 150.
WIDEST = 200


def show(provider: str, found: list[Estimate]) -> None:
    """Print the table, each line followed by its notes; what holds for all of them stands at the end."""
    rendering = Console(width=WIDEST, highlight=False)
    with rendering.capture() as captured:
        rendering.print(table_of(found, provider))
    head, *lines = (line.rstrip() for line in captured.get().splitlines())
    shared = [note for note in notes_of(found[0]) if all(note in notes_of(each) for each in found)]
    shared = shared if len(found) > 1 else []
    console = Console(soft_wrap=True, highlight=False)
    console.print(head, markup=False)
    for line, each in zip(lines, found, strict=True):
        console.print(line, markup=False)
        for note in notes_of(each):
            if note not in shared:
                console.print(f"  - {note}", markup=False)
    for note in shared:
        console.print(f"- {note}", markup=False)


def notes_of(found: Estimate) -> list[str]:
    """The notes of an estimate, and where its prices come from."""
    source = [f"Prices of {found.price_date}: {found.price_source}."] if found.price_date else []
    images = [_images(found.image_tokens)] if found.image_tokens else []
    return [*found.notes, *images, *source]


def _images(counted: ImageTokens) -> str:
    if counted.high is None:
        return f"{counted.images:,} images, of unknown tokens."
    return f"{counted.images:,} images of {counted.low:,} to {counted.high:,} tokens, in each epoch."


def table_of(found: list[Estimate], title: str = "base model") -> Table:
    """Estimates as a table: what training costs and takes, and a month of calls where those were asked for."""
    columns = [title, "training", "tokens", "epochs", "minutes", "a month of calls", "by the base"]
    wanted = columns if any(each.monthly_calls for each in found) else columns[:5]
    table = Table(*(Column(name, no_wrap=True) for name in wanted), box=None, pad_edge=False)
    for each in found:
        table.add_row(*_row(each)[: len(wanted)])
    return table


def _row(each: Estimate) -> list[str]:
    monthly = each.monthly_calls
    return [
        "any" if each.base_model == ANY_MODEL else each.base_model,
        _usd(each.estimated_cost_usd),
        f"{each.estimated_tokens:,}",
        str(each.n_epochs),
        f"{each.minutes.low}-{each.minutes.high}" if each.minutes else "unknown",
        f"${monthly.cost_usd:,.2f}" if monthly else "",
        f"${monthly.base_cost_usd:,.2f}" if monthly else "",
    ]


def _usd(cost: UsdRange | None) -> str:
    if cost is None:
        return "unknown"
    low, high = f"{cost.low:,.2f}", f"{cost.high:,.2f}"
    return f"${low}" if low == high else f"${low}-{high}"
