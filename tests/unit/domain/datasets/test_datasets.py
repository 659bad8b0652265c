"""Datasets: when their changes are announced, and whose a drop is."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.factories import NAMES, NOW, SECOND, a_dataset, a_drop
from tuneloop.domain.chat.examples import Problem, Split
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.datasets.datasets import ANNOUNCED_AGAIN_AFTER, DatasetChange, OnDrop
from tuneloop.domain.datasets.drops import DropStatus, parse_drop_path

CHANGED: dict[str, Any] = {"revision": 3, "changed_at": NOW}


def test_a_drop_that_is_given_up_says_why_and_nothing_found_before() -> None:
    reason = Problem(line=0, path="$", code="unreadable", message="It could not be read.")
    found = a_drop(problem_count=2, problems=[reason.model_copy(update={"line": line}) for line in (1, 2)])

    ended = found.with_failure(reason, NOW)

    assert (ended.status, ended.problem_count, ended.problems) == (DropStatus.FAILED, 1, [reason])
    assert (ended.finished_at, ended.id, ended.seq) == (NOW, found.id, found.seq)


def test_a_dataset_without_changes_is_never_due() -> None:
    assert not a_dataset().is_due(NOW, 0)
    assert not a_dataset(revision=3, exported_revision=3, wanted_revision=3, changed_at=NOW).is_due(
        NOW + timedelta(days=9), 0
    )


def test_changes_that_a_drop_wants_trained_are_due_though_frozen_since() -> None:
    frozen = a_dataset(revision=3, exported_revision=3, settled_revision=3, settled_at=NOW, changed_at=NOW)

    assert frozen.is_due(NOW, 0)
    assert not frozen.with_settled_changes(NOW).is_due(NOW, 0)
    assert not frozen.model_copy(update={"on_drop": OnDrop.COLLECT}).is_due(NOW, 0)


@given(st.floats(0, 120), st.floats(0, 120))
def test_changes_are_due_when_it_has_been_quiet_for_long_enough(quiet_s: float, settle_s: float) -> None:
    now = NOW + quiet_s * SECOND

    assert a_dataset(**CHANGED).is_due(now, settle_s) == (now - NOW >= timedelta(seconds=settle_s))


@pytest.mark.parametrize("on_drop", OnDrop)
def test_what_was_announced_is_not_announced_again_soon(on_drop: OnDrop) -> None:
    told = a_dataset(**CHANGED, on_drop=on_drop).with_settled_changes(NOW + 60 * SECOND)

    assert not told.is_due(NOW + 61 * SECOND, 60)
    assert not told.is_due(NOW + 60 * SECOND + ANNOUNCED_AGAIN_AFTER - SECOND, 60)


@pytest.mark.parametrize("on_drop", OnDrop)
def test_an_announcement_that_led_to_nothing_is_repeated(on_drop: OnDrop) -> None:
    told = a_dataset(**CHANGED, on_drop=on_drop).with_settled_changes(NOW)

    assert told.is_due(NOW + ANNOUNCED_AGAIN_AFTER, 60)
    assert not told.model_copy(update={"exported_revision": 3}).is_due(NOW + ANNOUNCED_AGAIN_AFTER, 60)


def test_a_change_after_the_announcement_waits_for_its_own_quiet_time() -> None:
    told = a_dataset(**CHANGED).with_settled_changes(NOW + 60 * SECOND)
    grown = told.model_copy(update={"revision": 4, "changed_at": NOW + 90 * SECOND})

    assert not grown.is_due(NOW + 149 * SECOND, 60)
    assert grown.is_due(NOW + 150 * SECOND, 60)


def test_a_settled_change_is_wanted_for_training_only_where_a_drop_trains() -> None:
    training, collecting = (a_dataset(**CHANGED, on_drop=on_drop).with_settled_changes(NOW) for on_drop in OnDrop)

    assert (training.settled_revision, training.wanted_revision) == (3, 3)
    assert (collecting.settled_revision, collecting.wanted_revision) == (3, 0)


def test_switching_to_training_announces_what_was_only_collected() -> None:
    collected = a_dataset(**CHANGED, on_drop=OnDrop.COLLECT).with_settled_changes(NOW)

    assert collected.model_copy(update={"on_drop": OnDrop.TRAIN}).is_due(NOW + 60 * SECOND, 60)


@given(NAMES, NAMES, st.sampled_from([*Split, None]))
def test_a_path_says_whose_a_drop_is(tenant: str, dataset: str, split: Split | None) -> None:
    folder = f"{split}/" if split else ""

    path = parse_drop_path(f"incoming/{tenant}/{dataset}/{folder}a b+ü.jsonl")

    assert (path.tenant, path.dataset, path.split) == (tenant, dataset, split)


@pytest.mark.parametrize(
    ("key", "split"),
    [
        ("incoming/acme/support/train", None),
        ("incoming/acme/support/other/a.jsonl", None),
        ("incoming/acme/support/Test/a.jsonl", None),
        ("incoming/acme/support/2026/test/a.jsonl", None),
        ("incoming/acme/support/test/2026/a.jsonl", Split.TEST),
    ],
)
def test_only_the_folder_right_under_the_dataset_names_a_split(key: str, split: Split | None) -> None:
    assert parse_drop_path(key).split == split


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a.jsonl",
        "incoming/a.jsonl",
        "incoming/acme/a.jsonl",
        "incoming/acme/support/",
        "incoming/acme/support/train/",
        "/incoming/acme/support/a.jsonl",
        "exports/acme/support/a.jsonl",
    ],
)
def test_a_file_elsewhere_is_told_where_a_drop_lies(key: str) -> None:
    with pytest.raises(InvalidInput, match=r"incoming/\{tenant\}/\{dataset\}/\{file\}\.jsonl") as refusal:
        parse_drop_path(key)

    assert refusal.value.code == "invalid_path"


@pytest.mark.parametrize(
    ("key", "param"),
    [
        ("incoming/ACME/support/a.jsonl", "tenant"),
        ("incoming//support/a.jsonl", "tenant"),
        ("incoming/acme\n/support/a.jsonl", "tenant"),
        ("incoming/acme#x/support/a.jsonl", "tenant"),
        ("incoming/../support/a.jsonl", "tenant"),
        ("incoming/acme//a.jsonl", "dataset"),
        ("incoming/acme/my dataset/a.jsonl", "dataset"),
    ],
)
def test_a_path_with_a_bad_name_is_refused(key: str, param: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_drop_path(key)

    assert (refusal.value.code, refusal.value.param) == ("invalid_name", param)


@given(st.text(max_size=40).map(lambda rest: f"incoming/{rest}"))
def test_no_path_is_read_as_anything_but_a_drop_or_a_refusal(key: str) -> None:
    with suppress(InvalidInput):
        path = parse_drop_path(key)

        assert key.startswith(f"incoming/{path.tenant}/{path.dataset}/")


@pytest.mark.parametrize("limit", ["-0.01", "1e400", "1e7", "NaN", "Infinity"])
def test_a_limit_that_is_no_sum_of_money_is_refused(limit: str) -> None:
    with pytest.raises(ValidationError):
        DatasetChange.model_validate({"max_run_usd": limit})


def test_a_limit_of_nothing_is_a_limit() -> None:
    assert DatasetChange.model_validate({"max_run_usd": 0}).max_run_usd == Decimal(0)


def test_a_drop_knows_its_place() -> None:
    assert a_drop().place == ("acme", "support")


def test_a_review_is_frozen_and_not_trained_on_unless_it_is_to_be() -> None:
    trained = (
        a_dataset(revision=3, changed_at=NOW).with_settled_changes(NOW).model_copy(update={"exported_revision": 3})
    )

    plain = trained.with_review(NOW).with_review(NOW)
    wanted = trained.model_copy(update={"train_on_review": True}).with_review(NOW)

    assert (plain.revision, plain.is_due(NOW + 60 * SECOND, 60)) == (5, True)
    assert plain.with_settled_changes(NOW).wanted_revision == 3
    assert wanted.with_settled_changes(NOW).wanted_revision == 4


def test_reviews_are_trained_on_with_what_a_drop_brings() -> None:
    trained = a_dataset(revision=3, changed_at=NOW).with_settled_changes(NOW)

    before = trained.with_segment(1, NOW).with_review(NOW)
    after = trained.with_review(NOW).with_segment(1, NOW)

    assert before.with_settled_changes(NOW).wanted_revision == after.with_settled_changes(NOW).wanted_revision == 5
    assert before.with_settled_changes(NOW).with_review(NOW).with_settled_changes(NOW).wanted_revision == 5
