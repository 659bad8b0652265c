"""The built code: for Lambda's machines, compiled, the same bytes every time, complete, and small enough."""

import platform
import re
import subprocess
import sys
from filecmp import dircmp
from pathlib import Path

import pytest

import ops.layer
from infra.functions import FUNCTIONS
from infra.stage import ROOT
from ops.console import CommandRefused
from ops.layer import SERVICES, BuiltCode, build, check_size, describe_sizes, measure
from tests.ops.trial import MACHINES

ELF_MACHINE = {"arm64": 183, "x86_64": 62}
HERE = MACHINES.get(platform.machine().lower(), "arm64")
# Runs without any site-packages: what it imports comes from the built trees alone.
IMPORTER = """
import importlib, os, sys
root, services, *packages = sys.argv[1:]
sys.path[:0] = [f"{root}/functions", f"{root}/libraries/python", f"{root}/tuneloop/python"]
os.environ.update(AWS_DEFAULT_REGION="eu-west-1", TUNELOOP_STAGE="x", TUNELOOP_TABLE="t", TUNELOOP_BUCKET="b")
modules = [importlib.import_module(f"{package}.handler") for package in packages]
import boto3, openai
for service in services.split(","):
    boto3.client(service)
from tuneloop.validation.tokens import count_text
assert count_text("hello world") == 2
assert all(os.path.exists(module.__cached__) for module in (*modules, openai, boto3)), "not compiled"
ours = [module for module in list(sys.modules.values()) if "site-packages" in (getattr(module, "__file__", "") or "")]
assert not ours, ours
"""


@pytest.fixture(scope="session")
def built() -> BuiltCode:
    """What `make layer` builds, kept from test run to test run as it is for its users."""
    return build("arm64")


def differing(comparison: "dircmp[str]") -> list[str]:
    """The files that only one tree has, or that differ."""
    below = [name for part in comparison.subdirs.values() for name in differing(part)]
    return [*comparison.left_only, *comparison.right_only, *comparison.diff_files, *comparison.funny_files, *below]


def test_building_again_elsewhere_gives_the_same_bytes(built: BuiltCode, tmp_path: Path) -> None:
    again = build("arm64", tmp_path / "again")

    assert differing(dircmp(built.root, again.root, ignore=[])) == []
    assert again.total == built.total


def test_an_unchanged_tree_is_not_built_again(built: BuiltCode) -> None:
    before = {folder: folder.stat().st_ino for folder in built.root.iterdir() if folder.is_dir()}

    build("arm64")

    assert {folder: folder.stat().st_ino for folder in built.root.iterdir() if folder.is_dir()} == before


def test_compiled_libraries_are_for_the_stage_s_machines(built: BuiltCode) -> None:
    shared = list((built.root / "libraries").rglob("*.so"))

    assert shared
    assert {int.from_bytes(file.read_bytes()[18:20], "little") for file in shared} == {ELF_MACHINE["arm64"]}


def test_a_bare_interpreter_imports_every_function_from_the_built_trees(tmp_path: Path) -> None:
    root = build(HERE).root
    script = tmp_path / "importer.py"
    script.write_text(IMPORTER)
    packages = [spec.package for spec in FUNCTIONS]
    bare = [sys._base_executable, "-I", "-S", "-B"]  # type: ignore[attr-defined]

    done = subprocess.run(
        [*bare, str(script), str(root), ",".join(SERVICES), *packages],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


def test_every_module_is_compiled_without_source_times(built: BuiltCode) -> None:
    sources = [file for file in built.root.rglob("*.py") if file.stat().st_size]
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00", f"{source} checks its source"  # PEP 552
    assert len(sources) > 1000


def test_junk_is_left_out_and_what_botocore_needs_is_kept(built: BuiltCode) -> None:
    python = built.root / "libraries" / "python"
    names = {file.name for file in python.rglob("*")}

    assert not {"bin", "RECORD", "INSTALLER"} & names
    assert not list(python.rglob("*.pyi"))
    data = python / "botocore" / "data"
    assert {entry.name for entry in data.iterdir() if entry.is_dir()} == SERVICES
    assert {"endpoints.json", "partitions.json", "sdk-default-configuration.json", "_retry.json"} <= names
    assert (python / "pydantic").is_dir()


def test_the_services_kept_are_those_that_functions_call() -> None:
    code = "".join(file.read_text() for folder in ("shared/tuneloop", "functions") for file in sources(folder))

    assert set(re.findall(r'client\("([a-z0-9-]+)"', code)) == SERVICES


def sources(folder: str) -> list[Path]:
    return [file for file in (ROOT / folder).rglob("*.py") if "cli" not in file.parts]


def tree(root: Path) -> Path:
    for path, size in {"libraries/python/large": 3000, "libraries/python/small": 10, "tuneloop/python/t": 5}.items():
        (root / path).mkdir(parents=True)
        (root / path / "code.py").write_bytes(b"x" * size)
    for name, size in {"evaluate": 7, "relay": 2}.items():
        (root / "functions" / name).mkdir(parents=True)
        (root / "functions" / name / "handler.py").write_bytes(b"x" * size)
    return root


def test_lambda_counts_both_layers_and_the_largest_function(tmp_path: Path) -> None:
    built = measure(tree(tmp_path))

    assert built.total == 3000 + 10 + 5 + 7
    assert "largest function evaluate" in describe_sizes(built)


def test_what_lambda_would_not_take_is_refused_with_what_takes_most_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = measure(tree(tmp_path))
    monkeypatch.setattr(ops.layer, "UNZIPPED_LIMIT_BYTES", built.total)
    assert check_size(built) == built

    monkeypatch.setattr(ops.layer, "UNZIPPED_LIMIT_BYTES", built.total - 1)

    with pytest.raises(CommandRefused, match=r"Lambda takes .*The largest packages are: large"):
        check_size(built)
