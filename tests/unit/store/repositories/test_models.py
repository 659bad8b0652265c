"""The registry's rows: versions numbered without gaps or doubles, every decision with its line of history."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.factories import NOW, SECOND, a_version
from tuneloop.app import App
from tuneloop.domain.core.errors import NotFound, Stale
from tuneloop.domain.events import VersionReady
from tuneloop.domain.serving.models import Action, Deployment, HistoryEntry, new_model, with_stable
from tuneloop.store.repositories.models import MARKS_KEPT, Models


@pytest.fixture
def models(app: App) -> Models:
    app.models.register(new_model("acme", "support", "trainer", "base-1", NOW))
    return app.models


def an_entry(new: Deployment, action: Action = Action.ACTIVATE, **changes: Any) -> HistoryEntry:
    entry = HistoryEntry(
        model=new.model, step=new.step, at=NOW, action=action, reason=new.reason, stable=new.stable, by="key-1"
    )
    return entry.model_copy(update=changes)


def decide(models: Models, version: int, once: str | None = None, old: Deployment | None = None) -> Deployment:
    """Activate a version on top of what was read."""
    seen = old or models.deployment("acme", "support")
    new = with_stable(seen, version, f"Version {version}.", NOW)
    models.decide(seen, new, an_entry(new), once)
    return new


def add(models: Models, number: int) -> None:
    models.add_version(models.get("acme", "support"), a_version(number), NOW)


@pytest.mark.parametrize("tenant", ["acme", "initech"])
def test_a_model_that_is_not_there_is_told_in_openais_words(app: App, tenant: str) -> None:
    app.models.register(new_model("acme", "sales", "trainer", "base-1", NOW))

    for ask in (app.models.get, app.models.deployment):
        with pytest.raises(NotFound, match="The model `support` does not exist") as refusal:
            ask(tenant, "support")
        assert (refusal.value.code, refusal.value.param) == ("model_not_found", "model")


def test_a_model_is_registered_once(models: Models) -> None:
    with pytest.raises(Stale):
        models.register(new_model("acme", "support", "trainer", "base-2", NOW))

    assert models.get("acme", "support").base_model == "base-1"
    assert models.version("acme", "support", 0).base_model == "base-1"


def test_models_are_listed_by_name_and_to_their_tenant_alone(models: Models) -> None:
    models.register(new_model("acme", "billing", "trainer", "base-1", NOW))
    models.register(new_model("initech", "sales", "trainer", "base-1", NOW))

    assert [model.id for model in models.all("acme")] == ["billing", "support"]


def test_an_added_version_is_announced_and_counted(app: App, models: Models) -> None:
    add(models, 1)

    assert models.get("acme", "support").latest_version == 1
    assert models.version("acme", "support", 1) == a_version(1, seq=1)
    assert [row.event_type for row in app.outbox.backlog(NOW + SECOND)] == ["VersionReady"]


def test_of_two_who_add_a_version_at_once_one_is_told(models: Models) -> None:
    seen = models.get("acme", "support")
    models.add_version(seen, a_version(1), NOW)

    with pytest.raises(Stale):
        models.add_version(seen, a_version(1, provider_model="other"), NOW)

    assert models.version("acme", "support", 1).provider_model == "ft-1"


def test_a_version_that_is_not_there_is_named(models: Models) -> None:
    with pytest.raises(NotFound, match="Model support has no version 7") as refusal:
        models.version("acme", "support", 7)

    assert refusal.value.param == "version"


def test_versions_are_listed_newest_first_and_by_number(models: Models) -> None:
    for number in range(1, 12):
        add(models, number)

    first = models.versions("acme", "support", 3, None)
    rest = models.versions("acme", "support", 100, first.cursor)

    assert [version.number for version in first.data] == [11, 10, 9]
    assert [version.number for version in rest.data] == [8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_a_decision_its_line_of_history_and_its_event_are_one_write(app: App, models: Models) -> None:
    decide(models, 2)

    assert models.deployment("acme", "support").stable == 2
    [line] = models.history("acme", "support", 10, None).data
    assert (line.step, line.action, line.stable, line.by) == (1, Action.ACTIVATE, 2, "key-1")
    assert [row.event_type for row in app.outbox.backlog(NOW + SECOND)] == ["DeploymentChanged"]


def test_of_two_decisions_at_once_one_is_told_and_leaves_no_trace(app: App, models: Models) -> None:
    seen = models.deployment("acme", "support")
    decide(models, 2, old=seen)

    with pytest.raises(Stale):
        decide(models, 3, old=seen)

    assert models.deployment("acme", "support").stable == 2
    assert len(models.history("acme", "support", 10, None).data) == 1
    assert len(list(app.outbox.backlog(NOW + SECOND))) == 1


def test_a_refusal_is_a_line_of_history_and_no_event(app: App, models: Models) -> None:
    old = models.deployment("acme", "support")

    models.decide(old, old, an_entry(old, Action.REFUSE, reason="Not proved better.", evaluation="eval-1"))

    [line] = models.history("acme", "support", 10, None).data
    assert (line.action, line.reason, line.evaluation) == (Action.REFUSE, "Not proved better.", "eval-1")
    assert list(app.outbox.backlog(NOW + SECOND)) == []


def test_what_follows_from_one_cause_is_decided_once(models: Models) -> None:
    assert not models.is_decided("acme", "support", "eval-1")
    decide(models, 2, once="eval-1")

    with pytest.raises(Stale):
        decide(models, 3, once="eval-1")
    decide(models, 4, once="eval-2")

    assert models.is_decided("acme", "support", "eval-1")
    assert not models.is_decided("initech", "support", "eval-1")
    assert models.deployment("acme", "support").stable == 4


def test_a_decision_has_a_version_evaluated_again_as_often_as_it_is_needed(app: App, models: Models) -> None:
    add(models, 1)
    again = VersionReady(tenant="acme", model="support", version=1, dataset="support", export="export-1")

    for cause in ("eval-1", "eval-2"):
        old = models.deployment("acme", "support")
        models.decide(old, old, an_entry(old, Action.REFUSE), once=cause, follow_up=again)
        with pytest.raises(Stale):
            models.decide(old, old, an_entry(old, Action.REFUSE), once=cause, follow_up=again)

    assert [row.event_type for row in app.outbox.backlog(NOW + SECOND)] == ["VersionReady"] * 3


def test_a_decision_is_remembered_longer_than_any_event_may_come_again() -> None:
    assert timedelta(days=30) < MARKS_KEPT


def test_history_is_listed_newest_first_in_pages(models: Models) -> None:
    for version in (2, 3, 4):
        decide(models, version)

    first = models.history("acme", "support", 2, None)
    rest = models.history("acme", "support", 2, first.cursor)

    assert [line.stable for line in [*first.data, *rest.data]] == [4, 3, 2]


def test_versions_history_and_deployment_don_t_get_into_each_other_s_lists(models: Models) -> None:
    add(models, 1)
    decide(models, 1, once="eval-1")

    assert [version.number for version in models.versions("acme", "support", 10, None).data] == [1, 0]
    assert len(models.history("acme", "support", 10, None).data) == 1
