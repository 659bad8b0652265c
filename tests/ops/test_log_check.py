"""What a function's log tells: woken or not, failed or not, and whether a second try made it good."""

import json

from ops.smoke.log_check import findings_of as heard


def line(message: str, level: str = "INFO", request: str = "one", **more: str) -> str:
    return json.dumps({"level": level, "message": message, "correlation_id": request, **more})


def failed(request: str = "one", error: str = "ClientError") -> str:
    return line("failed", "ERROR", request, error=error)


def test_a_function_that_finished_is_good() -> None:
    found = heard("evaluate", ["START RequestId: 1", line("done"), line("answered"), "END RequestId: 1"])

    assert found.is_good
    assert (found.finished, found.summary) == (2, "ok")


def test_a_function_that_was_never_woken_is_not_good() -> None:
    found = heard("evaluate", [])

    assert not found.is_good
    assert "never woken" in found.summary


def test_a_failure_that_stays_is_told_with_its_kind() -> None:
    found = heard("evaluate", [failed("one"), line("done", request="two"), failed("three")])

    assert not found.is_good
    assert found.summary == "failed: ClientError (2x)"


def test_a_failure_that_the_same_request_made_good_is_only_mentioned() -> None:
    found = heard("evaluate", [failed(error="ProviderUnavailable"), line("done")])

    assert found.is_good
    assert found.summary == "ok, after ProviderUnavailable (1x) that a second try made good"


def test_a_failure_after_the_last_end_of_its_request_stays() -> None:
    assert not heard("evaluate", [line("done"), failed()]).is_good


def test_what_lambda_says_of_a_function_that_could_not_speak_counts() -> None:
    lines = [
        "[ERROR] Runtime.ImportModuleError: Unable to import module 'evaluate.handler'",
        "2026-11-21T02:00:00Z 0000 Task timed out after 29.00 seconds",
    ]

    assert heard("evaluate", [*lines, line("done")]).summary == "failed: Runtime. (1x), Task timed out (1x)"


def test_a_print_that_looks_like_json_is_passed_over() -> None:
    assert heard("evaluate", ["{not json", line("done")]).is_good
