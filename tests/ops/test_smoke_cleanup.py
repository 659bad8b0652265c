"""After a smoke test nothing goes on being billed, or it is said what does."""

from types import SimpleNamespace
from typing import Any

import pytest

from ops.smoke.journey import LoopError
from ops.smoke.report import describe_remains, retirement_hint
from ops.smoke.steps import is_version_removed, retire_version

RUN = {"fine_tuned_model": "arn:model", "version": 3}


class Api:
    """The routes of a model whose version 3 is retired, and since when its provider has nothing of it."""

    def __init__(self, removed_at: str | None) -> None:
        self.asked: list[str] = []
        self.removed_at = removed_at

    def get(self, path: str) -> Any:
        assert path == "/models/smoke/versions"
        return {"data": [{"number": 3, "removed_at": self.removed_at}]}

    def post(self, path: str, _: Any) -> None:
        self.asked.append(f"POST {path}")

    def delete(self, path: str) -> None:
        self.asked.append(f"DELETE {path}")


def journey(removed_at: str | None = None) -> Any:
    return SimpleNamespace(dataset="smoke", api=Api(removed_at))


def test_a_version_that_serves_is_rolled_back_first_and_then_retired() -> None:
    made = journey()

    retire_version(made, 3)

    assert made.api.asked == ["POST /models/smoke/rollback", "DELETE /models/smoke/versions/3"]


def test_a_version_is_gone_once_its_provider_has_nothing_of_it() -> None:
    assert not is_version_removed(journey(), 3)
    assert is_version_removed(journey("2026-11-21T00:00:00Z"), 3)
    with pytest.raises(LoopError, match="not listed"):
        is_version_removed(journey(), 4)


def test_what_stays_is_said_as_it_is() -> None:
    stays = describe_remains(RUN, is_hosted=False, is_removed=False)
    gone = describe_remains(RUN, is_hosted=True, is_removed=True)
    going = describe_remains(RUN, is_hosted=True, is_removed=False)

    assert "at the provider the training files and model arn:model" in stays
    assert "arn:model and its deployment are deleted" in gone
    assert "are being deleted" in going


def test_an_interrupted_test_tells_how_to_be_rid_of_what_it_trained() -> None:
    assert "/models/smoke/versions/3 " in retirement_hint(RUN, "smoke")
    assert "/models/smoke/versions/VERSION " in retirement_hint({"version": None}, "smoke")
