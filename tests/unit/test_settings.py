"""Settings: typed at cold start, or an error that names the variables."""

import pytest

from tests.world import ENVIRONMENT
from tuneloop.settings import Settings

LEAST = {"TUNELOOP_STAGE": "prod", "TUNELOOP_TABLE": "tuneloop-prod"}


def test_a_function_that_needs_little_is_told_little() -> None:
    settings = Settings.from_environment(LEAST)

    assert (settings.stage, settings.table) == ("prod", "tuneloop-prod")
    assert (settings.bucket, settings.bus, settings.examples_queue_url, settings.provider_key_parameter) == (None,) * 4
    assert (settings.provider, settings.provider_base_url) == ("bedrock", "")


def test_what_is_set_is_typed() -> None:
    settings = Settings.from_environment({**LEAST, "TUNELOOP_SETTLE_S": "2", "TUNELOOP_REFRESH_AFTER_S": "0.5"})

    assert (settings.settle_s, settings.refresh_after_s) == (2, 0.5)


def test_other_variables_are_nobody_s_business() -> None:
    environment = {**LEAST, "PATH": "/bin", "STAGE": "other", "tuneloop_stage": "other", "TUNELOOP_COLOUR": "green"}

    assert Settings.from_environment(environment) == Settings.from_environment(LEAST)


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert Settings.from_environment({**LEAST, "TUNELOOP_BUS": "", "TUNELOOP_SETTLE_S": ""}).settle_s == 60


@pytest.mark.parametrize("missing", LEAST)
def test_a_missing_variable_is_named(missing: str) -> None:
    with pytest.raises(RuntimeError, match=missing):
        Settings.from_environment({name: value for name, value in LEAST.items() if name != missing})


def test_every_variable_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(RuntimeError) as failure:
        Settings.from_environment({"TUNELOOP_TABLE": "t", "TUNELOOP_SETTLE_S": "soon"})

    assert "TUNELOOP_STAGE (Field required)" in str(failure.value)
    assert "TUNELOOP_SETTLE_S (" in str(failure.value)


def test_the_environment_is_read_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    assert Settings.from_environment().table == ENVIRONMENT["TUNELOOP_TABLE"]
