"""An interpreter that has MiniStack and what it needs, and nothing of ours: what runs there brings its libraries."""

import sys
import venv
from importlib.metadata import distribution, requires
from pathlib import Path

from packaging.requirements import Requirement


def bare_interpreter(folder: Path) -> str:
    """Make the interpreter in `folder`, its packages being links into this environment; gives its path."""
    venv.create(folder, with_pip=False, symlinks=True, clear=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    for name in closure("ministack"):
        files = distribution(name).files or []
        for top in sorted({file.parts[0] for file in files if file.parts[0] not in {"..", "__pycache__"}}):
            (packages / top).symlink_to(Path(str(distribution(name).locate_file(top))).resolve())
    return str(folder / "bin" / "python")


def closure(name: str) -> set[str]:
    """A package and all that it needs here."""
    found: set[str] = set()
    todo = [name]
    while todo:
        if (here := todo.pop().lower()) not in found:
            found.add(here)
            needs = [Requirement(text) for text in requires(here) or []]
            todo += [need.name for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]
    return found
