"""The monthly bill of a production stage on AWS: `make bill`, without any free tier.

Prices come from the dated list beside this file, what is deployed from the synthesized template, and what a call, a
usage batch, feedback, a drop, a training run and a sweep need from the real handlers, run here against moto and our
trainer under a meter. What can't be counted here is an assumption, printed with the result. `build/bench/bill.json` has
all of it.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from os.path import relpath
from pathlib import Path
from typing import Any

from bench.billing.assumptions import HOURS, Assumptions, as_data, described
from bench.billing.deployed import Deployed, read_template, synthesize
from bench.billing.month import month
from bench.billing.prices import PriceList, read_prices
from bench.billing.tally import Amounts
from bench.billing.workload import Workload, measure

LOADS = (0, 10_000, 1_000_000, 100_000_000)
IDLE_TARGET_USD = 2.00
DASHBOARD = "CloudWatch dashboard"
RESULT = Path(__file__).resolve().parents[1] / "build" / "bench" / "bill.json"


@dataclass(frozen=True)
class Bill:
    """The bill of one load: quantities by price, dollars by price; the dashboard stands beside the total."""

    calls: int
    quantities: Amounts
    usd: Amounts
    services: Amounts

    @property
    def total_usd(self) -> float:
        """The total without the dashboard."""
        return sum(usd for service, usd in self.services.items() if service != DASHBOARD)

    @property
    def dashboard_usd(self) -> float:
        """What the dashboard costs in an account that has three others."""
        return self.services[DASHBOARD]


def bill(calls: int, quantities: Amounts, prices: PriceList) -> Bill:
    """Quantities at their prices."""
    counted = {name: quantities.get(name, 0.0) for name in prices.prices}
    usd = {name: prices.prices[name].of(quantity) for name, quantity in counted.items()}
    services = dict.fromkeys((price.service for price in prices.prices.values()), 0.0)
    for name, amount in usd.items():
        services[prices.prices[name].service] += amount
    return Bill(calls, counted, usd, services)


def bills(deployed: Deployed, workload: Workload, assumed: Assumptions, prices: PriceList) -> list[Bill]:
    """The bills of all loads."""
    return [bill(calls, month(calls, deployed, workload, assumed), prices) for calls in LOADS]


def main() -> None:
    """Print the bill and write it to `build/bench/bill.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    defaults = Assumptions()
    parser.add_argument("--provider-wait-s", type=float, default=defaults.provider_wait_s)
    parser.add_argument("--answer-tokens", type=int, default=defaults.answer_tokens)
    parser.add_argument("--prompt-tokens", type=int, default=defaults.prompt_tokens)
    assumed = Assumptions(**vars(parser.parse_args()))
    prices, deployed = read_prices(), read_template(synthesize())
    workload = measure(deployed, assumed)
    found = bills(deployed, workload, assumed, prices)
    show(found, deployed, workload, assumed, prices)
    write(found, deployed, workload, assumed, prices)


def show(found: list[Bill], deployed: Deployed, workload: Workload, assumed: Assumptions, prices: PriceList) -> None:
    """Print the tables and the verdict."""
    print(f"A prod stage in {prices.region}, US dollars a month, prices of {prices.read}, no free tier\n")
    show_bills(found)
    show_idle(found[0], deployed, workload, assumed, prices)
    show_operations(workload)
    print("\nAssumptions")
    for what, text in described(assumed):
        print(f"  {what:<18}{text}")
    unverified = sum(not price.verified for price in prices.prices.values())
    print(f"\n{unverified} of {len(prices.prices)} prices are not verified against AWS's page: see bench/prices.json.")
    for kind in deployed.unpriced:
        print(f"Not priced: the stack has a {kind}, which this bill doesn't know.")


def show_bills(found: list[Bill]) -> None:
    """Print a line per service, the totals and the cost of 1,000 calls."""
    _line("chat calls a month", *(f"{each.calls:,}" if each.calls else "idle" for each in found))
    for service in found[0].services:
        if service != DASHBOARD:
            _line(service, *(_usd(each.services[service]) for each in found))
    _line("Total", *(_usd(each.total_usd) for each in found))
    _line("per 1,000 calls", *(_usd(each.total_usd / each.calls * 1000, 4) if each.calls else "" for each in found))
    _line(f"+ {DASHBOARD}", *(_usd(each.dashboard_usd) for each in found))


def show_idle(idle: Bill, deployed: Deployed, workload: Workload, assumed: Assumptions, prices: PriceList) -> None:
    """Print whether the idle stage keeps to its target, and what moves it."""
    verdict = "within" if idle.total_usd <= IDLE_TARGET_USD else "ABOVE"
    print(
        f"\nIdle: ${idle.total_usd:.2f} a month, {verdict} the target of ${IDLE_TARGET_USD:.2f}, without the dashboard."
    )
    if idle.dashboard_usd:
        print(
            f"{DASHBOARD}: ${idle.dashboard_usd:.2f} from an account's fourth one on"
            " (`dashboard: false` in the stage's file leaves it out)."
            "\nStrictly without the free tier, which covers three, the stage costs"
            f" ${idle.total_usd + idle.dashboard_usd:.2f} idle: the dashboard alone is above the target."
        )
    cold = Assumptions(**asdict(assumed) | {"cold_share_of_schedules": 1.0})
    coldest = bill(0, month(0, deployed, workload, cold), prices)
    print(f"If every scheduled invocation were a cold start: ${coldest.total_usd:.2f}.")
    tenant = bill(0, (workload.another_tenant * (HOURS * 12)).amounts, prices)
    print(
        f"Each further tenant with one idle dataset adds ${tenant.total_usd:.4f}: the sweeps read it every 5 minutes."
    )


def show_operations(workload: Workload) -> None:
    """Print what was counted for each operation in a warm environment."""
    print()
    _line("counted (warm)", "GB-s", "reads", "writes", "log bytes", "SQS sends")
    rows = {
        "chat call": workload.chat.warm,
        "key lookup": workload.key_lookup,
        "usage batch of 1": workload.batch.warm,
        "each further message": workload.message,
        "feedback": workload.feedback.warm,
        "drop": workload.drop,
        "training run": workload.training,
    } | {f"{function} {schedule}": each.warm for (function, schedule), each in workload.schedules.items()}
    for name, tally in rows.items():
        reads, writes = tally["dynamodb_read_units"], tally["dynamodb_write_units"]
        cells = f"{tally['lambda_gb_s']:.4f}", f"{reads:g}", f"{writes:g}", f"{tally['log_gb'] * 1e9:.0f}"
        _line(name, *cells, f"{tally['sqs_requests']:g}")


def write(
    found: list[Bill],
    deployed: Deployed,
    workload: Workload,
    assumed: Assumptions,
    prices: PriceList,
    file: Path = RESULT,
) -> None:
    """Write prices, quantities, totals and what they were made from as JSON."""
    result: dict[str, Any] = {
        "prices": prices.model_dump(mode="json"),
        "assumptions": as_data(assumed),
        "deployed": _plain(asdict(deployed)),
        "operations": _plain(asdict(workload)),
        "bills": [asdict(each) | {"total_usd": each.total_usd, "dashboard_usd": each.dashboard_usd} for each in found],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(f"\nAll quantities: {relpath(file)}")


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    """The same with pairs as text, which JSON's keys have to be."""
    return {
        name: {" ".join(key) if isinstance(key, tuple) else key: value for key, value in inside.items()}
        if isinstance(inside, dict)
        else inside
        for name, inside in data.items()
    }


def _usd(amount: float, digits: int = 2) -> str:
    return f"{amount:,.{digits}f}"


def _line(name: str, *cells: str) -> None:
    print(f"{name:<36}" + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
