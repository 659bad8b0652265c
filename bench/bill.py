"""The monthly bill of a production stage on AWS, without any free tier: `make bill`.

Prices come from the dated list beside this file, and what is deployed from the synthesized template. What a call, a
usage batch, feedback, a drop, a training run and a sweep need is counted by a meter while the real handlers run here,
against moto and our trainer. What can't be counted here is an assumption, printed with the result. All of it is
written to `build/bench/bill.json`.
"""

import argparse
import json
from dataclasses import asdict, dataclass, replace
from os.path import relpath
from pathlib import Path

from bench.billing.model import HOURS, Amounts, Assumptions, PriceList, read_prices
from bench.billing.month import month
from bench.billing.template import StackTemplate, read_template, synthesize
from bench.billing.workload import Workload, measure

LOADS = (0, 10_000, 1_000_000, 100_000_000)
IDLE_TARGET_USD = 2.00  # docs/decisions.md, "the idle target is held without the dashboard"
DASHBOARD = "CloudWatch dashboard"
RESULT = Path(__file__).resolve().parents[1] / "build" / "bench" / "bill.json"


@dataclass(frozen=True)
class MonthlyBill:
    """The bill of one load: quantities by price, dollars by service; the dashboard stands beside the total."""

    calls: int
    quantities: Amounts
    services: Amounts

    @property
    def total_usd(self) -> float:
        """The total without the dashboard."""
        return sum(usd for service, usd in self.services.items() if service != DASHBOARD)

    @property
    def dashboard_usd(self) -> float:
        """The dollars for the dashboard in an account that has three others, which are free."""
        return self.services[DASHBOARD]


@dataclass(frozen=True)
class BillBasis:
    """What bills are calculated from: the template, the measured operations, the assumptions and the prices."""

    deployed: StackTemplate
    workload: Workload
    assumed: Assumptions
    prices: PriceList

    def bill(self, calls: int) -> MonthlyBill:
        """The bill of a month with so many chat calls."""
        return price_quantities(calls, month(calls, self.deployed, self.workload, self.assumed), self.prices)

    def bills(self) -> list[MonthlyBill]:
        """The bills of all loads."""
        return [self.bill(calls) for calls in LOADS]


def price_quantities(calls: int, quantities: Amounts, prices: PriceList) -> MonthlyBill:
    """Quantities at their prices."""
    services = Amounts()
    for name, price in prices.prices.items():
        services[price.service] += quantities[name] / price.per * price.usd
    return MonthlyBill(calls, Amounts({name: quantities[name] for name in prices.prices}), services)


def main() -> None:
    """Print the bill and write it to `build/bench/bill.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    defaults = Assumptions()
    parser.add_argument("--provider-wait-s", type=float, default=defaults.provider_wait_s)
    parser.add_argument("--answer-tokens", type=int, default=defaults.answer_tokens)
    parser.add_argument("--prompt-tokens", type=int, default=defaults.prompt_tokens)
    assumed = Assumptions(**vars(parser.parse_args()))
    deployed = read_template(synthesize())
    basis = BillBasis(deployed, measure(deployed, assumed), assumed, read_prices())
    show(basis)
    write(basis)


def show(basis: BillBasis) -> None:
    """Print the tables and the verdict."""
    prices = basis.prices
    print(f"A prod stage in {prices.region}, US dollars a month, prices of {prices.read}, no free tier\n")
    _show_bills(basis.bills())
    _show_idle(basis)
    _show_operations(basis.workload)
    print("\nAssumptions")
    for what, text in basis.assumed.describe().items():
        print(f"  {what:<18}{text}")
    unverified = sum(not price.verified for price in prices.prices.values())
    print(f"\n{unverified} of {len(prices.prices)} prices are not verified against AWS's page: see bench/prices.json.")


def _show_bills(bills: list[MonthlyBill]) -> None:
    """Print a line per service, the totals and the cost of 1,000 calls."""
    _line("chat calls a month", *(f"{bill.calls:,}" if bill.calls else "idle" for bill in bills))
    for service in bills[0].services:
        if service != DASHBOARD:
            _line(service, *(f"{bill.services[service]:,.2f}" for bill in bills))
    _line("Total", *(f"{bill.total_usd:,.2f}" for bill in bills))
    _line("per 1,000 calls", *(f"{bill.total_usd / bill.calls * 1000:.4f}" if bill.calls else "" for bill in bills))
    _line(f"+ {DASHBOARD}", *(f"{bill.dashboard_usd:,.2f}" for bill in bills))


def _show_idle(basis: BillBasis) -> None:
    """Print whether the idle stage is within its target, and what would change its cost."""
    idle = basis.bill(0)
    verdict = "within" if idle.total_usd <= IDLE_TARGET_USD else "ABOVE"
    coldest = replace(basis, assumed=replace(basis.assumed, cold_share_of_schedules=1.0)).bill(0)
    tenant = price_quantities(0, basis.workload.another_tenant * (HOURS * 12), basis.prices)
    print(f"""
Idle: ${idle.total_usd:.2f} a month, {verdict} the target of ${IDLE_TARGET_USD:.2f}, without the dashboard.
{DASHBOARD}: ${idle.dashboard_usd:.2f} from an account's fourth one on \
(`dashboard: false` in the stage's file leaves it out).
Strictly without the free tier, which covers three, the stage costs \
${idle.total_usd + idle.dashboard_usd:.2f} idle: the dashboard alone is above the target.
If every scheduled invocation were a cold start: ${coldest.total_usd:.2f}.
Each further tenant with one idle dataset adds ${tenant.total_usd:.4f}: the sweeps read it every 5 minutes.
""")


def _show_operations(workload: Workload) -> None:
    """Print what was counted for each operation in an environment that has run before."""
    _line("counted (warm)", "GB-s", "reads", "writes", "log bytes", "SQS sends")
    rows = {
        "chat call": workload.chat.warm,
        "key lookup": workload.key_lookup,
        "usage batch of 1": workload.batch.warm,
        "each further message": workload.message,
        "feedback": workload.feedback.warm,
        "drop": workload.drop,
        "training run": workload.training,
    } | {schedule: operation.warm for schedule, operation in workload.schedules.items()}
    for name, amounts in rows.items():
        reads, writes = amounts["dynamodb_read_units"], amounts["dynamodb_write_units"]
        cells = f"{amounts['lambda_gb_s']:.4f}", f"{reads:g}", f"{writes:g}", f"{amounts['log_gb'] * 1e9:.0f}"
        _line(name, *cells, f"{amounts['sqs_requests']:g}")


def _line(name: str, *cells: str) -> None:
    print(f"{name:<36}" + "".join(f"{cell:>14}" for cell in cells))


def write(basis: BillBasis, file: Path = RESULT) -> None:
    """Write prices, quantities and totals, with what they were calculated from, as JSON."""
    result = {
        "prices": basis.prices.model_dump(mode="json"),
        "assumptions": asdict(basis.assumed),
        "deployed": asdict(basis.deployed),
        "operations": asdict(basis.workload),
        "bills": [asdict(bill) | {"total_usd": bill.total_usd} for bill in basis.bills()],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(f"\nAll quantities: {relpath(file)}")


if __name__ == "__main__":
    main()
