"""The benchmarks of training data are held against what is required, and no figure is older than it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.data import __main__ as running
from bench.data import requirements

MET: dict[str, Any] = {
    "validate_ratio_1": 5, "validate_ratio_2": 9, "banking77_validate_ratio_1": 5, "banking77_validate_ratio_2": 9,
    "peak_mb_200k": 120, "peak_mb_200k_two": 120, "peak_mb_1m": 120, "peak_mb_1m_two": 120, "token_mismatches": 0,
    "export_examples_per_s": 40_000, "near_duplicate_ratio": 2, "listing_cpu_s": 0.5,
}  # fmt: skip
MISSED = {
    **{name: ratio - 0.01 for name, ratio in MET.items() if "validate_ratio" in name},
    **{name: 121 for name in MET if name.startswith("peak_mb")},
    "token_mismatches": 1, "export_examples_per_s": 39_999, "near_duplicate_ratio": 2.01, "listing_cpu_s": 0.51,
}  # fmt: skip


@pytest.mark.parametrize("figure", MET)
def test_a_required_figure_is_met_missed_or_not_measured(figure: str) -> None:
    missed, unknown = MET | {figure: MISSED[figure]}, {name: value for name, value in MET.items() if name != figure}

    assert not requirements.is_missed(MET)
    assert requirements.table(MET).count("  met") == len(MET)
    assert requirements.is_missed(missed)
    assert [line.split()[0] for line in requirements.table(missed).splitlines() if "MISSED" in line] == [figure]
    assert not requirements.is_missed(unknown)
    assert [line.split()[0] for line in requirements.table(unknown).splitlines() if "not measured" in line] == [figure]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, int]]:
    """What each benchmark finds, made up."""
    found = {part: {part: 1} for part in running.PARTS}
    monkeypatch.setattr(running, "figures_of", found.__getitem__)
    return found


def test_all_benchmarks_begin_anew(parts: dict[str, dict[str, int]], tmp_path: Path) -> None:
    result = tmp_path / "bench" / "data.json"
    running.run([], result)
    result.write_text(json.dumps(json.loads(result.read_text()) | {"stale": 1}))

    found = running.run([], result)

    assert found == json.loads(result.read_text())
    assert found.keys() == {*parts, "measured"}


def test_a_benchmark_replaces_what_it_found_before_and_says_when(
    parts: dict[str, dict[str, int]], tmp_path: Path
) -> None:
    result = tmp_path / "data.json"
    before = running.run([], result)
    parts["listing"] = {"other": 2}

    found = running.run(["listing"], result)

    assert {name: value for name, value in found.items() if name != "measured"} == {
        "validating": 1, "exporting": 1, "other": 2,
    }  # fmt: skip
    assert found["measured"]["validating"] == before["measured"]["validating"]
    assert found["measured"]["listing"]["figures"] == ["other"]
    assert found["measured"]["listing"]["at"] >= before["measured"]["listing"]["at"]


@pytest.mark.parametrize(("peak", "status"), [(120, 0), (121, 1)])
def test_a_missed_figure_ends_the_command_with_1(
    peak: int, status: int, parts: dict[str, dict[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts["validating"] = {"peak_mb_1m": peak}
    monkeypatch.setattr(running, "RESULT", tmp_path / "data.json")
    monkeypatch.setattr("sys.argv", ["bench.data"])

    with pytest.raises(SystemExit) as ended:
        running.main()

    assert int(ended.value.code or 0) == status
