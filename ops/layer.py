"""The functions' code as Lambda gets it: libraries, our own package and the functions, compiled, in build/layer.

pip itself picks the wheels of Lambda's platform from the hashed lock, so no container engine is needed and any machine
can build for arm64. Compiled files carry no source times (unchecked hash): the same input gives the same bytes, and an
unchanged layer keeps its hash and isn't sent again. Libraries and our code are two layers, as they change apart.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from infra.stage import PYTHON, ROOT, built_code
from ops.console import CommandRefused, run_process, say

LOCK = ROOT / "requirements" / "layer.txt"
OWN = ROOT / "shared" / "tuneloop"
FUNCTIONS = ROOT / "functions"
# Lambda's limit for a function's code and layers together, unzipped; stated as 250 MB, counted as MiB.
MOST_BYTES = 250 << 20
# glibc 2.26 in Lambda's python3.11 (Amazon Linux 2), 2.34 from python3.12 on (Amazon Linux 2023); wheels ask for less.
PLATFORMS = ("manylinux2014", "manylinux_2_17") + (() if sys.version_info < (3, 12) else ("manylinux_2_28",))
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
# The AWS services that functions call; botocore describes four hundred more.
SERVICES = frozenset({"bedrock", "bedrock-runtime", "dynamodb", "events", "s3", "sqs", "ssm"})
# What no function needs. METADATA stays, so that scanners see what is inside.
JUNK = (
    "bin",
    "*/tests",
    "**/*.pyi",
    "**/__pycache__",
    *(f"*.dist-info/{note}" for note in ("RECORD", "INSTALLER", "REQUESTED", "WHEEL", "direct_url.json")),
    "boto3/examples",
    "botocore/data/*/*/examples-1*",
    "zstandard/_cffi.*.so",  # its second backend, for interpreters without a C API; needs cffi, which is not locked
    "zstandard/backend_cffi.py",
)
# A fixed hash seed keeps the sets among compiled constants in one order.
SEED = {"PYTHONHASHSEED": "0"}


@dataclass(frozen=True)
class BuiltCode:
    """A built tree and its sizes in bytes."""

    root: Path
    libraries: int
    own: int
    functions: dict[str, int]

    @property
    def total(self) -> int:
        """What Lambda counts for the largest function."""
        return self.libraries + self.own + max(self.functions.values())


def build(architecture: str, root: Path | None = None) -> BuiltCode:
    """Build what has changed for an architecture; Refusal if Lambda would not take the result."""
    root = root or built_code(architecture)
    root.mkdir(parents=True, exist_ok=True)
    with (root.parent / f"{root.name}.lock").open("w") as lock:  # let go of with the process
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build(root, architecture)


def _build(root: Path, architecture: str) -> BuiltCode:
    _made(root / "libraries", _key(LOCK, architecture), lambda to: _install(to / "python", architecture))
    _made(root / "tuneloop", _key(OWN, architecture), lambda to: _copy(OWN, to / "python" / "tuneloop", "/opt/python"))
    _made(root / "functions", _key(FUNCTIONS, architecture), lambda to: _copy(FUNCTIONS, to, "/var/task"))
    return check_size(measure(root))


def measure(root: Path) -> BuiltCode:
    """The sizes of a built tree."""
    functions = {folder.name: size_of(folder) for folder in sorted((root / "functions").iterdir()) if folder.is_dir()}
    return BuiltCode(root, size_of(root / "libraries"), size_of(root / "tuneloop"), functions)


def size_of(folder: Path) -> int:
    """The bytes of all files below a folder, as they are once unzipped."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def check_size(built: BuiltCode) -> BuiltCode:
    """The built layer if Lambda takes it; else a Refusal with the figures and what takes most room."""
    if built.total <= MOST_BYTES:
        return built
    packages = {path.name: size_of(path) for path in (built.root / "libraries" / "python").iterdir() if path.is_dir()}
    largest = sorted(packages, key=lambda name: -packages[name])[:5]
    most = ", ".join(f"{name} {mib(packages[name])}" for name in largest)
    raise CommandRefused(
        f"The layers and the largest function are {mib(built.total)} unzipped; Lambda takes {mib(MOST_BYTES)}. "
        f"Most room takes: {most}."
    )


def mib(size: int) -> str:
    """A size for people."""
    return f"{size / (1 << 20):.1f} MB"


def report(built: BuiltCode) -> str:
    """The sizes in one line."""
    function = max(built.functions, key=lambda name: built.functions[name])
    parts = f"libraries {mib(built.libraries)}, tuneloop {mib(built.own)}, largest function "
    parts += f"{function} {mib(built.functions[function])}"
    where = os.path.relpath(built.root, ROOT)
    return f"{where}: {parts}; {mib(built.total)} of Lambda's {mib(MOST_BYTES)} unzipped"


def _made(target: Path, key: str, make: Callable[[Path], None]) -> None:
    """Make a tree unless it stands there from the same input; a build that breaks off leaves no half of one."""
    stamp = target.with_suffix(".key")
    if target.is_dir() and stamp.is_file() and stamp.read_text() == key:
        return
    draft = target.with_suffix(".draft")
    for old in (draft, target):
        shutil.rmtree(old, ignore_errors=True)
    stamp.unlink(missing_ok=True)
    make(draft)
    draft.rename(target)
    stamp.write_text(key)


def _key(source: Path, architecture: str) -> str:
    """The hash of everything that goes into a tree, this module included."""
    files = [source] if source.is_file() else sorted(_sources(source))
    seen = hashlib.sha256(json.dumps([sys.version, architecture, PYTHON]).encode())
    for file in (Path(__file__), *files):
        seen.update(f"\n{file.relative_to(ROOT)}\n".encode())
        seen.update(file.read_bytes())
    return seen.hexdigest()


def _sources(folder: Path) -> Iterable[Path]:
    return (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def _install(target: Path, architecture: str) -> None:
    say(f"Fetching the libraries of requirements/layer.txt for {architecture}")
    platforms = [part for tag in PLATFORMS for part in ("--platform", f"{tag}_{MACHINES[architecture]}")]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--quiet", "--no-compile", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--require-hashes", *platforms]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command += ["--implementation", "cp", "--python-version", version, "--target", str(target), "--requirement"]
    run_process([*command, str(LOCK)], "pip could not fetch the libraries")
    prune(target)
    _compile(target, "/opt/python")


def prune(target: Path) -> None:
    """Remove what no function needs from installed libraries."""
    for pattern in JUNK:
        for path in list(target.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for service in list((target / "botocore" / "data").iterdir()):
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)


def _copy(source: Path, target: Path, prefix: str) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    _compile(target, f"{prefix}/{target.name}" if target.name == "tuneloop" else prefix)


def _compile(folder: Path, prefix: str) -> None:
    """Compile a tree under the path that tracebacks will show, in a new process and one order."""
    command = [sys.executable, "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", prefix, str(folder)]
    run_process(command, f"{folder} could not be compiled", env={**os.environ, **SEED})


def build_and_report(architecture: str) -> None:
    """Build, and say how large it is."""
    say(report(build(architecture)))
