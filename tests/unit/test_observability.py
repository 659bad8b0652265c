"""Metrics: one line per invocation, one set of dimensions per stage, and nothing for nothing."""

import json

import pytest

from tuneloop.observability import NAMESPACE, SERVICE, count, flush, metrics


@pytest.fixture(autouse=True)
def written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "collect-examples")
    metrics.provider.clear_metrics()


def test_what_was_counted_is_one_line_that_cloudwatch_reads(capsys: pytest.CaptureFixture[str]) -> None:
    count("Tokens", 3)
    count("Tokens", 4)
    count("Dollars", 0.25)

    flush()

    [line] = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    [described] = told["_aws"]["CloudWatchMetrics"]
    assert (described["Namespace"], sorted(described["Dimensions"][0])) == (NAMESPACE, ["service", "stage"])
    assert (told["Tokens"], told["Dollars"]) == ([3, 4], [0.25])


def test_all_functions_count_into_one_metric(capsys: pytest.CaptureFixture[str]) -> None:
    """A metric per function would be billed per function, and an alarm over it too."""
    count("SweepFailures")

    flush()

    assert json.loads(capsys.readouterr().out)["service"] == SERVICE == "tuneloop"


def test_counting_nothing_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    count("DropsGivenUp", 0)

    flush()

    assert capsys.readouterr().out == ""
