"""Six stories, and how many files a reader opens who follows one from the event that wakes a function to its end.

`make stories` plays a test of the whole loop and prints, for each story, the number of files below `functions/` and
`shared/tuneloop` in which a function ran during the story. `--files` prints their names too.
"""

import argparse
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import CO_NEWLOCALS
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

from tests import world

ROOT = Path(__file__).resolve().parents[1]
CODE = (ROOT / "functions", ROOT / "shared" / "tuneloop")
LOOP = "tests/functions/cross/test_loop.py::test_a_drop_becomes_a_version_that_is_proved_and_serves"


class Story(NamedTuple):
    """One story: what happens, the function that does it, and the events that wake it for that; () means any event."""

    title: str
    function: str
    events: tuple[str, ...] = ()

    def begins_with(self, function: str, event: dict[str, Any]) -> bool:
        """Whether an invocation of a function with this event is part of the story."""
        woken_by = event.get("detail-type") or event.get("routeKey")
        return function == self.function and (not self.events or woken_by in self.events)


STORIES = (
    Story("a drop becomes examples", "collect-examples", ("Object Created",)),
    Story("a dataset is frozen", "export-data", ("DatasetSettled", "TrainingRunRequested")),
    Story("a run is submitted", "launch-finetune", ("DatasetSettled", "TrainingRunRequested", "ExportCreated")),
    Story("a call is answered", "complete-chat", ("POST /v1/chat/completions",)),
    Story("an evaluation is judged", "evaluate", ("EvaluationRequested",)),
    Story("a verdict is applied", "activate-model", ("EvaluationCompleted",)),
)


class FileTrace:
    """Records the files in which functions run during each story; the bodies of modules and classes don't count."""

    def __init__(self) -> None:
        self.files: dict[Story, set[str]] = defaultdict(set)
        self._seen: set[str] = set()

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Invoke a function as the tests' world does, and record the files; its modules are imported before that."""
        import_module(f"{function.replace('-', '_')}.handler")
        with self._profiled():
            answer = self._invoke(function, event)
        for story in STORIES:
            if story.begins_with(function, event):
                self.files[story] |= self._seen
        return answer

    def pytest_sessionstart(self) -> None:
        """Replace the world's `invoke` by this one before any fixture plays a part of the loop."""
        self._invoke, world.invoke = world.invoke, self.invoke

    @contextmanager
    def _profiled(self) -> Iterator[None]:
        self._seen = set()
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        # A function's code makes new locals; that of a class's body does not.
        if event == "call" and code.co_name != "<module>" and code.co_flags & CO_NEWLOCALS:
            self._seen.add(code.co_filename)


def own_paths(files: set[str]) -> list[str]:
    """The product's own files among these, as paths relative to the repository."""
    paths = {Path(name) for name in files}
    return sorted(str(path.relative_to(ROOT)) for path in paths if any(path.is_relative_to(folder) for folder in CODE))


def main() -> int:
    """Play the loop and print the stories; pytest's exit status, or 1 where a story did not happen."""
    parser = argparse.ArgumentParser(prog="python -m bench.stories", description=__doc__)
    parser.add_argument("--files", action="store_true", help="print the files' names too")
    parser.add_argument("--test", default=LOOP, help="the test that plays the loop")
    arguments = parser.parse_args()
    trace = FileTrace()
    status = pytest.main(["-q", "-p", "no:cacheprovider", "--no-header", arguments.test], plugins=[trace])
    missing = 0
    for story in STORIES:
        files = own_paths(trace.files[story])
        print(f"{len(files):4}  {story.title}")
        if arguments.files:
            print("".join(f"          {name}\n" for name in files), end="")
        missing += not files
    return int(status) or int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
