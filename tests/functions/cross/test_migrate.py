"""`tuneloop migrate`: the command against the real functions, from a base model that dies to one that lives on."""

from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.functions import steps
from tests.functions.conftest import KEY
from tests.functions.providers import DeclaredCapabilities
from tests.functions.runs import request_run
from tests.world import World
from tuneloop.app import app
from tuneloop.cli import api
from tuneloop.cli import migrate as migration
from tuneloop.cli.api import ApiRefusal
from tuneloop.cli.commands import cli
from tuneloop.domain.core.errors import Conflict, InvalidInput
from tuneloop.domain.training.jobs import TrainingMethod
from tuneloop.domain.training.model_offers import Capabilities
from tuneloop.domain.training.providers import RegisteredProvider
from tuneloop.providers.catalog import price_of

OTHER = "selfhosted"
PARAMETER = f"/tuneloop/test/providers/{OTHER}/key"


class InProcess(api.ApiClient):
    """The command's client with the world in place of the network."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __exit__(self, *_: object) -> None:
        """There is nothing to close."""

    def get(self, path: str, **query: Any) -> Any:
        return self.send("GET", path, None, {name: str(value) for name, value in query.items()})

    def post(self, path: str, body: Any) -> Any:
        return self.send("POST", path, body, {})

    def send(self, method: str, path: str, body: Any, query: dict[str, str]) -> Any:
        parts = ["v1", *path.strip("/").split("/")]
        names = {"datasets": "dataset", "exports": "export", "models": "model", "training-runs": "run"}
        pattern = [
            f"{{{names[before]}}}" if before in names else part
            for before, part in zip(["", *parts], parts, strict=False)
        ]
        answer = self.world.call(f"{method} /{'/'.join(pattern)}", f"/{'/'.join(parts)}", body, **query)
        self.world.settle()
        if answer.status >= 400:
            error = answer.body["error"]
            raise ApiRefusal(error["message"], code=error["code"])
        return answer.body


@pytest.fixture
def trained(live: World, trainer: str, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world with a version that was trained, and a second provider to move to."""
    live.ssm.put_parameter(Name=PARAMETER, Value=KEY, Type="SecureString", Overwrite=True)
    app.provider_rows.save(RegisteredProvider(name=OTHER, base_url=trainer, key_parameter=PARAMETER))
    monkeypatch.setattr(api.ApiClient, "from_environment", lambda: InProcess(live))
    steps.settled(live, steps.questions(200))
    steps.followed(live, steps.runs(live)[0]["id"])
    live.settle()
    return live


def migrate(*words: str, says: str = "y\n") -> Result:
    return CliRunner().invoke(cli, ["migrate", *words], input=says)


def test_the_same_export_trains_elsewhere_and_is_proved_against_the_stable(trained: World) -> None:
    old = app.models.version(trained.tenant, "support", 1)

    done = migrate("support", "--to", f"{OTHER}/{steps.BASE_MODEL}")

    assert done.exit_code == 0, (done.output, done.exception)
    assert "at a price that is not known here" in done.output
    new = app.models.version(trained.tenant, "support", 2)
    assert (new.provider, new.export, new.is_finetuned) == (OTHER, old.export, True)
    trained.settle()
    evaluated = app.evaluations.page(trained.tenant, 10, None).data
    assert 2 in {evaluation.candidate for evaluation in evaluated}


def test_nothing_is_spent_unless_it_is_agreed_to(trained: World) -> None:
    assert migrate("support", "--to", f"{OTHER}/{steps.BASE_MODEL}", says="n\n").exit_code == 1

    assert len(steps.runs(trained)) == 1


def test_a_hold_is_told_of_before_anything_is_spent(trained: World) -> None:
    steps.decide(trained, "activate", {"version": 1})
    steps.decide(trained, "deactivate", {"reason": "users complain"})

    told = migrate("support", "--to", f"{OTHER}/{steps.BASE_MODEL}", says="n\n").output

    assert "won't serve by itself" in told
    assert "users complain" in told


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("support",), Conflict),
        (("support", "--to", "nowhere"), InvalidInput),
        (("support", "--to", "nobody/base", "--yes"), ApiRefusal),
        (("nothing",), ApiRefusal),
    ],
    ids=str,
)
def test_what_cannot_be_moved_says_why(words: tuple[str, ...], error: type[Exception], trained: World) -> None:
    assert isinstance(migrate(*words).exception, error)

    assert len(steps.runs(trained)) == 1


@pytest.mark.parametrize(
    ("place", "code", "told"),
    [
        ("bedrock/amazon.nova-micro-v1:0", "unknown_provider", '"bedrock": true'),
        ("openai/gpt-4o-mini", "unknown_provider", "tuneloop providers add openai"),
        ("nobody/base", "unknown_provider", "there is selfhosted, trainer"),
    ],
    ids=str,
)
def test_a_place_that_the_stage_does_not_have_is_refused_unpriced(
    place: str, code: str, told: str, trained: World
) -> None:
    refused = migrate("support", "--to", place)

    assert isinstance(refused.exception, ApiRefusal)
    assert refused.exception.code == code
    assert told in refused.exception.message
    assert refused.output == ""
    assert len(steps.runs(trained)) == 1


@pytest.mark.usefixtures("trained")
def test_a_catalog_s_successor_that_the_stage_lacks_is_refused_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer = price_of("openai", "gpt-4o-mini")
    monkeypatch.setattr(migration, "price_of", lambda *_: offer)

    refused = migrate("support")

    assert isinstance(refused.exception, ApiRefusal)
    assert (refused.exception.code, refused.output) == ("unknown_provider", "")


def test_data_of_a_kind_that_the_place_does_not_train_is_refused_unpriced(trained: World) -> None:
    DeclaredCapabilities(Capabilities(methods=(TrainingMethod.PREFERENCE,)), of=OTHER)

    refused = migrate("support", "--to", f"{OTHER}/{steps.BASE_MODEL}")

    assert isinstance(refused.exception, ApiRefusal)
    assert "method" in refused.exception.message
    assert (refused.output, len(steps.runs(trained))) == ("", 1)


def test_a_dry_run_says_what_would_run_and_makes_nothing(trained: World) -> None:
    version = app.models.version(trained.tenant, "support", 1)
    same: dict[str, Any] = {"export": version.export, "provider": OTHER, "base_model": steps.BASE_MODEL}

    planned = request_run(trained, **same, dry_run=True)

    assert (planned.status, planned.body["status"], planned.body["attempt"]) == (202, "requested", 1)
    assert len(steps.runs(trained)) == 1
    assert request_run(trained, **same).body["id"] == planned.body["id"]
    assert request_run(trained, **same, dry_run="yes").status == 422


def test_a_model_that_was_registered_by_hand_has_no_data_to_move(trained: World) -> None:
    steps.registered(trained, "chat")

    assert isinstance(migrate("chat", "--to", f"{OTHER}/x").exception, Conflict)
    assert request_run(trained).status == 202
