"""The port to what serves a model that has to be deployed, method by method, on every wire that has such a thing."""

import pytest

from tests.contract.conftest import Wire
from tests.contract.lines import ANSWERS, WORDS
from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.serving.models import VersionStatus
from tuneloop.domain.training.jobs import ProviderJob

QUESTION = [{"role": "user", "content": f"{WORDS[1]}, order 99."}]
pytestmark = pytest.mark.parametrize("wire", ["bedrock"], indirect=True)


@pytest.fixture(scope="module")
def other(wire: Wire) -> str:
    """Another job's model."""
    model = wire.ended(wire.created("other")).fine_tuned_model
    assert model
    return model


def test_deploy__under_one_name_gives_one_deployment(wire: Wire, trained: ProviderJob, served: str) -> None:
    assert trained.fine_tuned_model

    again = wire.hosting.deploy("contract", trained.fine_tuned_model)

    assert (again.id, again.status, again.model) == (served, VersionStatus.READY, trained.fine_tuned_model)


def test_deploy__gives_what_can_be_called_later_and_says_so(wire: Wire, trained: ProviderJob) -> None:
    assert trained.fine_tuned_model

    made = wire.hosting.deploy("another", trained.fine_tuned_model)

    assert made.status == VersionStatus.DEPLOYING
    assert wire.settled(made.id).status == VersionStatus.READY
    wire.hosting.undeploy(made.id)


def test_find_deployment__finds_a_deployment_and_none_where_there_is_none(wire: Wire, served: str) -> None:
    found = wire.hosting.find_deployment(served)

    assert found
    assert found.id == served
    assert wire.hosting.find_deployment("never-deployed") is None


def test_swap__puts_another_model_behind_the_same_name(
    wire: Wire, trained: ProviderJob, served: str, other: str
) -> None:
    assert trained.fine_tuned_model

    wire.hosting.swap(served, other)
    during = wire.hosting.find_deployment(served)
    meanwhile = wire.provider.complete({"model": served, "messages": QUESTION}, 5)
    after = wire.settled(served)

    assert during
    assert (during.status, during.model) == (VersionStatus.DEPLOYING, other)
    assert meanwhile.text == ANSWERS[1]
    assert (after.id, after.status, after.model) == (served, VersionStatus.READY, other)
    wire.hosting.swap(served, trained.fine_tuned_model)
    assert wire.settled(served).model == trained.fine_tuned_model


def test_undeploy__ends_a_deployment_and_twice_is_no_trouble(wire: Wire, other: str) -> None:
    ended = wire.settled(wire.hosting.deploy("ended", other).id).id

    wire.hosting.undeploy(ended)
    wire.hosting.undeploy(ended)

    assert wire.hosting.find_deployment(ended) is None
    with pytest.raises(ProviderRefused):
        wire.provider.complete({"model": ended, "messages": QUESTION}, 5)


def test_delete_model__waits_until_nothing_serves_it_and_may_come_twice(wire: Wire, other: str) -> None:
    serving = wire.settled(wire.hosting.deploy("serving", other).id).id

    with pytest.raises(ProviderUnavailable):
        wire.hosting.delete_model(other)
    wire.hosting.undeploy(serving)
    wire.hosting.delete_model(other)
    wire.hosting.delete_model(other)

    with pytest.raises(ProviderRefused):
        wire.hosting.deploy("too-late", other)
