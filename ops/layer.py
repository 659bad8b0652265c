"""The code that Lambda runs: libraries, our package and the functions, compiled for its platform, in build/layer.

pip picks the wheels of Lambda's platform from the hashed lock file, so no container engine is needed and any machine
can build for arm64. Compiled files carry a hash instead of their source's time: the same input gives the same bytes,
and an unchanged layer keeps its hash and is not uploaded again. The libraries change rarely and our code often, so
they are two layers.
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
PACKAGE = ROOT / "shared" / "tuneloop"
FUNCTIONS = ROOT / "functions"
# Lambda's limit for a function's code and layers together, unzipped; stated as 250 MB, counted as MiB.
UNZIPPED_LIMIT_BYTES = 250 << 20
# Wheels may need at most the glibc of Lambda's system: 2.26 for python3.11 (Amazon Linux 2), 2.34 from python3.12 on
# (Amazon Linux 2023).
PLATFORMS = ("manylinux2014", "manylinux_2_17") + (() if sys.version_info < (3, 12) else ("manylinux_2_28",))
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
# The AWS services that functions call; botocore brings the models of four hundred more.
SERVICES = frozenset({"bedrock", "bedrock-runtime", "dynamodb", "events", "s3", "sqs", "ssm"})
# Files that no function needs. METADATA stays, by which scanners tell what is inside.
UNNEEDED = (
    "bin",
    "*/tests",
    "**/*.pyi",
    "**/__pycache__",
    *(f"*.dist-info/{note}" for note in ("RECORD", "INSTALLER", "REQUESTED", "WHEEL", "direct_url.json")),
    "boto3/examples",
    "botocore/data/*/*/examples-1*",
    "zstandard/_cffi.*.so",  # a second backend, for interpreters without a C API; needs cffi, which is not locked
    "zstandard/backend_cffi.py",
)
# Sets among the constants of compiled code are written in the order of their hashes, which a fixed seed makes the same.
HASH_SEED = {"PYTHONHASHSEED": "0"}


@dataclass(frozen=True)
class BuiltCode:
    """A built tree and the unzipped sizes of its parts in bytes."""

    root: Path
    libraries: int
    own: int
    functions: dict[str, int]

    @property
    def total(self) -> int:
        """The bytes that Lambda counts for the largest function: its code and both layers."""
        return self.libraries + self.own + max(self.functions.values())


def build(architecture: str, root: Path | None = None) -> BuiltCode:
    """Build what has changed for an architecture; CommandRefused if Lambda would not take the result."""
    root = root or built_code(architecture)
    root.mkdir(parents=True, exist_ok=True)
    # Two builds at once would tear each other's trees down; the kernel releases the lock when the process ends.
    with (root.parent / f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build(root, architecture)


def _build(root: Path, architecture: str) -> BuiltCode:
    """Build the three trees below `root`; layers are unpacked in /opt on Lambda, functions in /var/task."""
    parts: tuple[tuple[str, Path, Callable[[Path], None]], ...] = (
        ("libraries", LOCK, lambda target: _install(target / "python", architecture)),
        ("tuneloop", PACKAGE, lambda target: _copy(PACKAGE, target / "python" / "tuneloop", "/opt/python/tuneloop")),
        ("functions", FUNCTIONS, lambda target: _copy(FUNCTIONS, target, "/var/task")),
    )
    for name, source, write in parts:
        _rebuild_if_changed(root / name, _input_hash(source, architecture), write)
    return check_size(measure(root))


def measure(root: Path) -> BuiltCode:
    """The sizes of a built tree, with each function's."""
    functions = {folder.name: size_of(folder) for folder in sorted((root / "functions").iterdir()) if folder.is_dir()}
    return BuiltCode(root, size_of(root / "libraries"), size_of(root / "tuneloop"), functions)


def size_of(folder: Path) -> int:
    """The bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def check_size(built: BuiltCode) -> BuiltCode:
    """Return built code that Lambda takes; CommandRefused, with the five largest packages, for code above its limit."""
    if built.total <= UNZIPPED_LIMIT_BYTES:
        return built
    packages = {path.name: size_of(path) for path in (built.root / "libraries" / "python").iterdir() if path.is_dir()}
    largest = sorted(packages, key=lambda name: -packages[name])[:5]
    sizes = ", ".join(f"{name} {mib(packages[name])}" for name in largest)
    raise CommandRefused(
        f"The layers and the largest function are {mib(built.total)} unzipped; Lambda takes "
        f"{mib(UNZIPPED_LIMIT_BYTES)}. The largest packages are: {sizes}."
    )


def mib(size: int) -> str:
    """A number of bytes in MiB, as text; labelled MB, as Lambda labels its limit."""
    return f"{size / (1 << 20):.1f} MB"


def describe_sizes(built: BuiltCode) -> str:
    """One line with the sizes of built code and Lambda's limit."""
    function = max(built.functions, key=lambda name: built.functions[name])
    parts = f"libraries {mib(built.libraries)}, tuneloop {mib(built.own)}, largest function "
    parts += f"{function} {mib(built.functions[function])}"
    folder = os.path.relpath(built.root, ROOT)
    return f"{folder}: {parts}; {mib(built.total)} of Lambda's {mib(UNZIPPED_LIMIT_BYTES)} unzipped"


def _rebuild_if_changed(target: Path, input_hash: str, write: Callable[[Path], None]) -> None:
    """Have `write` make the tree at `target`, unless it was made from the same input.

    The tree is renamed into place and its hash written last, so an interrupted build leaves nothing that looks whole.
    """
    stamp = target.with_suffix(".key")
    if target.is_dir() and stamp.is_file() and stamp.read_text() == input_hash:
        return
    draft = target.with_suffix(".draft")
    for old in (draft, target):
        shutil.rmtree(old, ignore_errors=True)
    stamp.unlink(missing_ok=True)
    write(draft)
    draft.rename(target)
    stamp.write_text(input_hash)


def _input_hash(source: Path, architecture: str) -> str:
    """The hash of everything that a tree is made of: interpreter, architecture, this module, and the source files."""
    files = [source] if source.is_file() else sorted(_sources(source))
    digest = hashlib.sha256(json.dumps([sys.version, architecture, PYTHON]).encode())
    for file in (Path(__file__), *files):
        digest.update(f"\n{file.relative_to(ROOT)}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


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
    """Remove from installed libraries what no function needs."""
    for pattern in UNNEEDED:
        for path in list(target.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for service in list((target / "botocore" / "data").iterdir()):
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)


def _copy(source: Path, target: Path, prefix: str) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    _compile(target, prefix)


def _compile(folder: Path, prefix: str) -> None:
    """Compile a tree whose place on Lambda, as tracebacks show it, is `prefix`.

    One worker compiles it, in a process of its own with the fixed hash seed, so that the bytes are always the same.
    """
    command = [sys.executable, "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", prefix, str(folder)]
    run_process(command, f"{folder} could not be compiled", env={**os.environ, **HASH_SEED})
