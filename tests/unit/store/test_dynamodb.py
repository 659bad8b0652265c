"""The table: one of two writers wins, all writes of a commit or none, and a cursor is good for its own listing only."""

import base64
import json
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import NOW, SECOND, a_dataset, a_run
from tuneloop.app import App
from tuneloop.domain.core.errors import InvalidInput, Stale
from tuneloop.domain.datasets.datasets import Dataset
from tuneloop.domain.training.runs import ControlledRun
from tuneloop.store import keys
from tuneloop.store.dynamodb import ConditionalPut, Increment, Table

HERE = keys.dataset("acme", "support")


@pytest.fixture
def table(app: App) -> Table:
    return app.table


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr("tuneloop.store.dynamodb.time.sleep", taken.append)
    return taken


def read(table: Table) -> Dataset:
    found = table.get(HERE, Dataset)
    assert found is not None
    return found


def test_what_is_not_there_is_none(table: Table) -> None:
    assert table.get(HERE, Dataset) is None
    assert not table.holds(HERE)


def test_what_was_committed_is_read_at_once_and_knows_its_writes(table: Table) -> None:
    table.commit(ConditionalPut(HERE, a_dataset()))
    first = read(table)
    table.commit(ConditionalPut(HERE, first))

    assert first == a_dataset(seq=1)
    assert read(table).seq == 2
    assert table.holds(HERE)


def test_of_two_who_make_the_same_thing_one_is_told(table: Table) -> None:
    table.commit(ConditionalPut(HERE, a_dataset(salt="first")))

    with pytest.raises(Stale, match="Read it again"):
        table.commit(ConditionalPut(HERE, a_dataset(salt="second")))

    assert read(table).salt == "first"


def test_of_two_who_read_the_same_only_one_writes(table: Table) -> None:
    table.commit(ConditionalPut(HERE, a_dataset()))
    one, other = read(table), read(table)

    table.commit(ConditionalPut(HERE, one.model_copy(update={"revision": 7})))
    with pytest.raises(Stale):
        table.commit(ConditionalPut(HERE, other.model_copy(update={"revision": 9})))

    assert read(table).revision == 7


def test_what_was_never_stored_can_not_be_changed(table: Table) -> None:
    with pytest.raises(Stale):
        table.commit(ConditionalPut(HERE, a_dataset(seq=3)))

    assert not table.holds(HERE)


def test_a_commit_is_all_or_nothing(table: Table) -> None:
    elsewhere = keys.dataset("acme", "sales")
    table.commit(ConditionalPut(HERE, a_dataset()))

    with pytest.raises(Stale):
        table.commit(ConditionalPut(elsewhere, a_dataset(id="sales")), ConditionalPut(HERE, a_dataset()))

    assert not table.holds(elsewhere)


def test_a_single_addition_carries_a_token_so_a_repetition_adds_nothing(table: Table) -> None:
    key = keys.usage("acme", "support", "2026-07-01", 1, 0)
    tokens: list[str] = []

    def note(params: Any, **_: Any) -> None:
        tokens.append(json.loads(params["body"])["ClientRequestToken"])

    table.client.meta.events.register("before-call.dynamodb", note)
    try:
        table.commit(Increment(key, {"calls": 2}))
    finally:
        table.client.meta.events.unregister("before-call.dynamodb", note)

    assert [bool(token) for token in tokens] == [True]
    assert table.holds(key)


CONFLICT = {"CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]}


Meanwhile = Callable[[], object]
Losing = Callable[[Meanwhile], None]


@pytest.fixture
def losing(table: Table, monkeypatch: pytest.MonkeyPatch) -> Iterator[Losing]:
    """Loses the answer of the next put, which was applied; the rest happens before it is sent again."""
    waiting: list[Meanwhile] = []

    def lose(request: Any, event_name: str, **_: Any) -> None:
        if waiting and event_name.endswith(".PutItem"):
            waiting.pop()()
            raise ReadTimeoutError(endpoint_url=request.url)

    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    table.client.meta.events.register_last("before-send", lose)  # after moto
    yield waiting.append
    table.client.meta.events.unregister("before-send", lose)


def test_a_put_whose_answer_got_lost_is_not_taken_for_somebody_else_s(table: Table, losing: Losing) -> None:
    losing(lambda: None)
    table.commit(ConditionalPut(HERE, a_dataset(), keys.swept(keys.OPEN_RUNS, NOW)))
    losing(lambda: None)
    table.commit(ConditionalPut(HERE, read(table).model_copy(update={"revision": 7})))

    assert (read(table).seq, read(table).revision) == (2, 7)


def test_a_put_whose_answer_got_lost_is_stale_where_somebody_wrote_since(table: Table, losing: Losing) -> None:
    losing(lambda: table.commit(ConditionalPut(HERE, read(table).model_copy(update={"revision": 9}))))

    with pytest.raises(Stale):
        table.commit(ConditionalPut(HERE, a_dataset()))

    assert (read(table).seq, read(table).revision) == (2, 9)


def test_of_two_who_write_the_very_same_one_is_told(table: Table) -> None:
    """Else both would take a counter's next number."""
    table.commit(ConditionalPut(HERE, a_dataset()))

    with pytest.raises(Stale):
        table.commit(ConditionalPut(HERE, a_dataset()))


def test_rivals_in_a_transaction_try_again(table: Table, naps: list[float]) -> None:
    writes = [ConditionalPut(HERE, a_dataset()), ConditionalPut(keys.dataset("acme", "sales"), a_dataset(id="sales"))]

    with Stubber(table.client) as stub:
        for _ in range(2):
            stub.add_client_error("transact_write_items", "TransactionCanceledException", modeled_fields=CONFLICT)
        stub.add_response("transact_write_items", {})
        table.commit(*writes)

    assert len(naps) == 2
    assert all(0 < nap < 0.2 for nap in naps)


def test_rivals_that_never_give_way_are_an_error_in_the_end(table: Table, naps: list[float]) -> None:
    with Stubber(table.client) as stub:
        for _ in range(20):
            stub.add_client_error("put_item", "TransactionConflictException")
        with pytest.raises(ClientError, match="TransactionConflictException"):
            table.commit(ConditionalPut(HERE, a_dataset()))

    assert 3 <= len(naps) < 20


def test_what_the_table_refuses_for_another_reason_is_no_conflict(table: Table, naps: list[float]) -> None:
    with Stubber(table.client) as stub:
        stub.add_client_error("put_item", "AccessDeniedException")
        with pytest.raises(ClientError, match="AccessDenied"):
            table.commit(ConditionalPut(HERE, a_dataset()))

    assert naps == []


def fill(table: Table, tenant: str, count: int) -> None:
    for number in range(count):
        key = keys.run(tenant, f"run-{number}")
        run = a_run(tenant=tenant, id=f"run-{number}", created_at=NOW + number * SECOND)
        table.commit(ConditionalPut(key, run, keys.by_time(key.pk, run.created_at, run.id)))


def runs_of(tenant: str) -> str:
    return keys.run(tenant, "").pk


def pages(table: Table, limit: int) -> Iterator[list[str]]:
    cursor: str | None = None
    while True:
        page = table.newest(runs_of("acme"), ControlledRun, limit, cursor)
        yield [run.id for run in page.data]
        if (cursor := page.cursor) is None:
            return


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_pages_hold_everything_once_newest_first(table: Table, limit: int) -> None:
    fill(table, "acme", 5)
    fill(table, "initech", 2)

    listed = list(pages(table, limit))

    assert list(chain.from_iterable(listed)) == ["run-4", "run-3", "run-2", "run-1", "run-0"]
    assert all(len(page) <= limit for page in listed)


def test_all_of_a_partition_comes_page_after_page(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(table, "acme", 5)
    fill(table, "initech", 1)
    monkeypatch.setattr(Table.page, "__kwdefaults__", {**(Table.page.__kwdefaults__ or {}), "limit": 2})

    assert [run.id for run in table.all(runs_of("acme"), ControlledRun)] == [f"run-{number}" for number in range(5)]


def test_a_prefix_keeps_other_rows_of_the_partition_out(table: Table) -> None:
    fill(table, "acme", 2)

    assert [run.id for run in table.page(runs_of("acme"), ControlledRun, prefix="run-1").data] == ["run-1"]


def cursor_of(table: Table, tenant: str = "acme") -> str:
    fill(table, tenant, 3)
    page = table.newest(runs_of(tenant), ControlledRun, 1, None)
    assert page.cursor is not None
    return page.cursor


def test_a_cursor_of_one_tenant_is_refused_to_another(table: Table) -> None:
    cursor = cursor_of(table, "initech")

    with pytest.raises(InvalidInput) as refusal:
        table.newest(runs_of("acme"), ControlledRun, 1, cursor)

    assert refusal.value.param == "cursor"


def test_a_cursor_of_one_listing_is_refused_by_another(table: Table) -> None:
    cursor = cursor_of(table)
    by_name = table.page(runs_of("acme"), ControlledRun, limit=1).cursor

    elsewhere: list[dict[str, Any]] = [
        {"partition": keys.evaluation("acme", "").pk, "index": keys.BY_TIME, "cursor": cursor},
        {"partition": runs_of("acme"), "cursor": cursor},
        {"partition": runs_of("acme"), "index": keys.SWEEP, "cursor": cursor},
        {"partition": runs_of("acme"), "index": keys.BY_TIME, "cursor": by_name},
        {"partition": runs_of("acme"), "prefix": "run-1", "cursor": by_name},
    ]
    for listing in elsewhere:
        with pytest.raises(InvalidInput):
            table.page(**listing, kind=ControlledRun)


def forged(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


NOBODY_S = Table(cast("Any", None), "none")
GOOD = {"pk": runs_of("acme"), "sk": "run-1", "list_pk": runs_of("acme"), "list_sk": "x"}


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "ü",
        "AAAA",
        forged(None),
        forged([]),
        forged({}),
        forged({"list_pk": runs_of("acme")}),
        forged({**GOOD, "pk": 1}),
        forged({**GOOD, "sk": 1.5}),
        forged({**GOOD, "sk": None}),
        forged({**GOOD, "more": "x"}),
        forged({**GOOD, "list_pk": runs_of("initech")}),
        base64.urlsafe_b64encode(b"[" * 1500).decode(),
    ],
)
def test_a_forged_cursor_is_refused_before_the_table_is_asked(cursor: str) -> None:
    with pytest.raises(InvalidInput, match="`cursor` must be the `next_cursor`"):
        NOBODY_S.newest(runs_of("acme"), ControlledRun, 1, cursor)


@pytest.mark.parametrize("code", ["ValidationException", "SerializationException"])
def test_a_cursor_that_the_table_itself_refuses_is_refused(table: Table, code: str) -> None:
    with Stubber(table.client) as stub:
        stub.add_client_error("query", code)
        with pytest.raises(InvalidInput, match="`cursor` must be the `next_cursor`"):
            table.newest(runs_of("acme"), ControlledRun, 1, forged({**GOOD, "sk": ""}))
        stub.add_client_error("query", code)
        with pytest.raises(ClientError):
            table.newest(runs_of("acme"), ControlledRun, 1, None)


@given(st.text(min_size=1, max_size=50))
def test_no_text_whatever_is_taken_for_a_cursor(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        NOBODY_S.newest(runs_of("acme"), ControlledRun, 1, cursor)


def test_dates_in_a_listing_are_in_order_even_on_the_second(table: Table) -> None:
    fill(table, "acme", 4)

    times = [run.created_at for run in table.newest(runs_of("acme"), ControlledRun, 10, None).data]

    assert all(later > earlier for later, earlier in pairwise(times))
