"""The demo's command, `python -m local.demo [--data train.jsonl] [--test test.jsonl]`: start the stack, go round the
loop, write the report, and take the stack down.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.stage import BEDROCK, LOCAL
from local.demo.journey import DemoJourney, dataset_name
from local.demo.report import DemoReport
from local.demo.screen import Screen
from local.demo.steps import STEPS
from local.process import termination_unwinds
from local.stack import ROOT, LocalStack
from tuneloop.validation.file_validation import Task, validate

SAMPLE = ROOT / "local" / "data" / "support.jsonl"
DIRECTORY = ROOT / "build" / "demo"


class UnusableFile(Exception):
    """A data file with a line that can't be used; the message names file, line and problem."""


@termination_unwinds()
def main() -> int:
    """Run the demo; 0 if every step did what it should, else 1."""
    arguments = parse_arguments(sys.argv[1:])
    screen, report = Screen(), DemoReport(DIRECTORY / "report.json")
    screen.show_title(arguments.data, arguments.test, arguments.provider)
    started = time.monotonic()
    try:
        for file in filter(None, (arguments.data, arguments.test)):
            require_usable(file)
        with screen.startup() as tell, stack_for(arguments, tell) as stack:
            report.add("start", time.monotonic() - started)
            journey = DemoJourney(
                stack=stack,
                screen=screen,
                data=arguments.data,
                test=arguments.test,
                dataset=dataset_name(arguments.data),
            )
            run_steps(journey, report)
            screen.show_summary(journey.dataset, journey.run["version"], report, time.monotonic() - started)
    except UnusableFile as error:
        report.fail(str(error))
        screen.show_failure(str(error))
    except KeyboardInterrupt:
        report.fail("interrupted")
        screen.show_failure("Interrupted.", DIRECTORY / "stack" / "logs")
    except Exception as error:  # noqa: BLE001 - the end of the program: say why, and exit non-zero
        report.fail(str(error) or type(error).__name__)
        screen.show_failure(str(error) or repr(error), DIRECTORY / "stack" / "logs")
    report.write(time.monotonic() - started)
    return 0 if report.ok else 1


def run_steps(journey: DemoJourney, report: DemoReport) -> None:
    """Run every step of the demo, each shown on the screen and timed in the report."""
    for step in STEPS:
        with journey.screen.step(step.title), report.time_step(step.name):
            step.run(journey, report)


def require_usable(file: Path) -> None:
    """Raise UnusableFile for a file with a line that can't be used; asked before the stack is started for it."""
    result = validate(Task(file))
    if problem := result.broken or next(iter(result.errors), None):
        raise UnusableFile(f"{file.name} can't be used: line {problem.line}: {problem.message}")


def stack_for(arguments: argparse.Namespace, tell: Callable[[str], None]) -> LocalStack:
    """The stack that the arguments ask for, not started yet."""
    settings = {"provider": arguments.provider} if arguments.provider != LOCAL.provider else {}
    return LocalStack(DIRECTORY / "stack", tell=tell, **settings)


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """The demo's arguments from the words of its command line; SystemExit, with the usage, for words that are none."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description="Run the whole loop on this machine.")
    parser.add_argument("--data", type=_file, default=SAMPLE, help="OpenAI chat JSONL to train on")
    parser.add_argument("--test", type=_file, help="OpenAI chat JSONL to prove the result on; else part of the data")
    wires = (LOCAL.provider, BEDROCK)
    parser.add_argument("--provider", choices=wires, default=wires[0], help="the wire that is trained and served on")
    return parser.parse_args(words)


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return path


if __name__ == "__main__":
    sys.exit(main())
