"""Usage: each batch counts once, to the last digit, for its own tenant, model, version and day."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.factories import NOW, a_batch, a_record
from tuneloop.app import App
from tuneloop.domain.core.errors import Stale
from tuneloop.domain.serving.usage import Counters, UsageRow, feedback_counters, usage_counters
from tuneloop.store.repositories.usage import SHARDS, StoredFeedback, shard_of

SLOT = ("support", "2026-07-01", 1)
RECORDS = st.builds(
    a_record,
    version=st.integers(0, 2),
    prompt_tokens=st.integers(0, 10**6),
    cost_usd=st.none() | st.integers(1, 10**9).map(lambda picos: Decimal(picos) / 10**9 + Decimal("0.5")),
    failed=st.booleans(),
)


def rows(app: App, tenant: str = "acme", first: str = "2026-01-01", last: str = "2026-12-31") -> list[UsageRow]:
    return list(app.usage.rows(tenant, "support", first, last))


def test_a_batch_twice_counts_once(app: App) -> None:
    batch = a_batch("b1", a_record(), a_record())

    assert app.usage.add(batch, NOW)
    assert not app.usage.add(batch, NOW)

    [row] = rows(app)
    assert (row.calls, row.prompt_tokens, row.cost_usd) == (2, 40, Decimal("0.0000224"))


def test_the_same_batch_id_of_two_tenants_is_two_batches(app: App) -> None:
    assert app.usage.add(a_batch("b1"), NOW)
    assert app.usage.add(a_batch("b1", tenant="initech"), NOW)

    assert rows(app) == rows(app, "initech")
    assert rows(app)[0].calls == 1


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(RECORDS, min_size=1, max_size=3), max_size=5))
def test_the_report_is_the_exact_sum_of_all_that_was_counted(app: App, batches: list[list[Any]]) -> None:
    tenant = f"t-{uuid4().hex[:8]}"  # one table for all examples, a tenant for each
    for number, records in enumerate(batches):
        for _ in range(2):
            app.usage.add(a_batch(f"b{number}", *records, tenant=tenant), NOW)

    everything = [record for records in batches for record in records]
    for row in rows(app, tenant):
        wanted = sum((usage_counters(each) for each in everything if each.version == row.version), start=Counters())
        assert Counters.model_validate(row.model_dump()) == wanted
    assert {row.version for row in rows(app, tenant)} == {record.version for record in everything}


def test_versions_and_days_are_lines_of_their_own_in_order(app: App) -> None:
    days = [NOW.replace(day=day) for day in (2, 1)]
    app.usage.add(a_batch("b1", *(a_record(version=version, at=at) for version in (10, 2) for at in days)), NOW)

    assert [(row.day, row.version) for row in rows(app)] == [
        ("2026-07-01", 2),
        ("2026-07-01", 10),
        ("2026-07-02", 2),
        ("2026-07-02", 10),
    ]


def test_only_the_days_that_were_asked_for_are_reported_both_ends_included(app: App) -> None:
    app.usage.add(a_batch("b1", *(a_record(at=NOW.replace(day=day)) for day in (1, 2, 3, 4))), NOW)

    assert [row.day for row in rows(app, first="2026-07-02", last="2026-07-03")] == ["2026-07-02", "2026-07-03"]


def test_models_are_counted_apart_even_if_one_s_name_begins_the_other_s(app: App) -> None:
    app.usage.add(a_batch("b1", a_record(model="support-2"), a_record()), NOW)

    assert [row.calls for row in rows(app)] == [1]
    assert rows(app, "initech") == []


def test_a_batch_of_nothing_is_remembered_and_counts_nothing(app: App) -> None:
    batch = a_batch("b1").model_copy(update={"records": []})

    assert app.usage.add(batch, NOW)
    assert not app.usage.add(batch, NOW)
    assert rows(app) == []


@given(st.text())
def test_a_shard_is_fixed_by_its_text(text: str) -> None:
    assert shard_of(text) == shard_of(text)
    assert 0 <= shard_of(text) < SHARDS


def test_shards_share_the_load() -> None:
    assert {shard_of(f"chatcmpl-{number}") for number in range(100)} == set(range(SHARDS))


def say(app: App, rating: int | None, corrected: bool) -> None:
    """What record-usage does with feedback."""
    old = app.usage.find_feedback("acme", "chatcmpl-1")
    new = StoredFeedback(rating=rating, corrected=corrected, at=NOW, seq=old.seq if old else 0)
    before = feedback_counters(old.rating, old.corrected) if old else None
    app.usage.replace_feedback("acme", "chatcmpl-1", new, SLOT, before, feedback_counters(rating, corrected))


def test_only_the_last_feedback_on_an_answer_counts(app: App) -> None:
    app.usage.add(a_batch(), NOW)
    for rating, corrected in ((5, False), (2, True), (2, True), (1, True)):
        say(app, rating, corrected)

    [row] = rows(app)

    assert (row.calls, row.feedback, row.ratings, row.rating_sum, row.corrections) == (1, 1, 1, 1, 1)


def test_of_two_who_speak_at_once_one_is_told_and_not_counted(app: App) -> None:
    first = StoredFeedback(rating=5, at=NOW)
    app.usage.replace_feedback("acme", "chatcmpl-1", first, SLOT, None, feedback_counters(5, corrected=False))

    with pytest.raises(Stale):
        app.usage.replace_feedback("acme", "chatcmpl-1", first, SLOT, None, feedback_counters(1, corrected=False))

    assert (rows(app)[0].feedback, rows(app)[0].rating_sum) == (1, 5)


def test_feedback_is_found_by_its_tenant_alone(app: App) -> None:
    say(app, 5, corrected=False)

    assert app.usage.find_feedback("acme", "chatcmpl-1") == StoredFeedback(rating=5, at=NOW, seq=1)
    assert app.usage.find_feedback("initech", "chatcmpl-1") is None
