"""Metrics: one line per invocation, one set of dimensions per stage, and nothing for nothing."""

import json

import pytest
from botocore.exceptions import ClientError

from tuneloop.domain.core.errors import NotFound
from tuneloop.observability import NAMESPACE, SERVICE, count, flush, kind_of, metrics


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


def refusal(code: object, operation: str = "PutItem") -> ClientError:
    told = "User: arn:aws:sts::1:x is not authorized to read the customer's own words"
    return ClientError({"Error": {"Code": code, "Message": told}}, operation)  # type: ignore[typeddict-item]


def test_what_aws_refuses_is_told_by_operation_and_code_not_by_its_text() -> None:
    assert kind_of(refusal("AccessDeniedException")) == "ClientError:PutItem:AccessDeniedException"
    assert kind_of(refusal("404", "HeadObject")) == "ClientError:HeadObject:404"


def test_a_refusal_that_is_named_by_its_code_says_it_once() -> None:
    class ParameterNotFound(ClientError):
        pass

    error = ParameterNotFound({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")

    assert kind_of(error) == "ParameterNotFound:GetParameter"


def test_an_error_of_ours_tells_the_refusal_that_it_came_of() -> None:
    error = NotFound("There is no object x.")
    error.__cause__ = refusal("AccessDenied", "GetObject")

    assert kind_of(error) == "NotFound:GetObject:AccessDenied"
    assert kind_of(NotFound("There is no object x.")) == "NotFound"


@pytest.mark.parametrize("code", ["the customer's own words", "", None])
def test_a_code_that_is_no_word_is_left_out(code: object) -> None:
    assert kind_of(refusal(code)) == "ClientError:PutItem"
