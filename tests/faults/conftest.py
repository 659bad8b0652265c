"""One stage under faults for all scenarios of a module, and the report of what they came to."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import pytest

from local.stack import ROOT
from tests.faults.provider import USD_PER_1M, WIRES
from tests.faults.scenarios import Found, Theatre
from tests.faults.world import ground
from tuneloop.domain.core.pricing import MILLION

BUILD = ROOT / "build"
PARTS = BUILD / "faults"
MOST_NOT_REACHED = 0.15  # of the calls


@dataclass
class Report:
    """What was broken, and what came of it otherwise than without that.

    A sweep makes as many calls as it has rounds, and the provider takes its time: what the last round would have done
    may not be `reached`, and is no point.
    """

    points: int = 0
    not_reached: int = 0
    doubles: int = 0
    lost: int = 0
    missing_events: int = 0
    wrong_states: int = 0
    orphan_files: int = 0
    duplicate_charges_usd: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def add(self, whole: Found, found: Found, what: str, has_fault: bool = True) -> None:
        """Compare what a scenario came to with what it comes to undisturbed."""
        if has_fault and not found.has_fired:
            self.not_reached += 1
            return
        missing = whole.events - found.events
        faults = {
            "lost": not found.is_over,
            "doubles": found.jobs > whole.jobs,
            "missing events": missing,
            "more events": Counter(set(found.events)) - Counter(set(whole.events)),
            "wrong state": found.is_over and found.state != whole.state,
            "orphan files": found.extra_files,
        }
        self.points += 1
        self.doubles += max(0, found.jobs - whole.jobs)
        self.lost += not found.is_over
        self.missing_events += missing.total()
        self.wrong_states += bool(faults["wrong state"])
        self.orphan_files += found.extra_files
        self.duplicate_charges_usd += float(USD_PER_1M * found.extra_tokens / MILLION)
        if any(faults.values()):
            self.wrong.append(f"{what}: { ({name: value for name, value in faults.items() if value}) } {found.state}")


@pytest.fixture(scope="module", params=WIRES)
def theatre(request: pytest.FixtureRequest, worker_id: str) -> Iterator[Theatre]:
    directory = BUILD / f"faults-{worker_id}"
    shutil.rmtree(directory, ignore_errors=True)
    with ground(directory, WIRES[request.param]) as stage:
        yield Theatre(stage)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """What a test finds, kept for the sum of all."""
    made = Report()
    yield made
    PARTS.mkdir(parents=True, exist_ok=True)
    name = "".join(sign if sign.isalnum() else "-" for sign in request.node.name)
    (PARTS / f"{name}.json").write_text(json.dumps(asdict(made)))


def pytest_sessionstart(session: pytest.Session) -> None:
    """The process that hands out the tests forgets what was found before."""
    if not hasattr(session.config, "workerinput"):
        shutil.rmtree(PARTS, ignore_errors=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """It adds up what all processes have found, too."""
    if hasattr(session.config, "workerinput") or not PARTS.is_dir():
        return
    total = Report()
    for part in sorted(PARTS.glob("*.json")):
        for name, value in json.loads(part.read_text()).items():
            setattr(total, name, getattr(total, name) + value)
    found = {name: value for name, value in asdict(total).items() if name != "wrong"}
    (BUILD / "faults.json").write_text(json.dumps(found, indent=2) + "\n")
