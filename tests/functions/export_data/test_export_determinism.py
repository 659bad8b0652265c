"""The same dataset freezes into the same files under the same id, however it came to be what it is."""

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export_data.freeze import FreezeDataset
from tests.functions.datasets import ingest_lines
from tests.functions.export_data.strategies import LINES, POLICIES
from tests.unit.factories import a_dataset
from tests.world import BUCKET, staged
from tuneloop.app import app, utc_now
from tuneloop.domain.datasets.datasets import OnDrop, PolicyChange
from tuneloop.domain.datasets.policy import Policy
from tuneloop.domain.exports.exports import Export

PLACE = "acme", "support"


def built(drops: list[list[dict[str, Any]]], policy: Policy) -> tuple[Export, dict[str, bytes]]:
    """The export of a dataset on a stage of its own, filled drop by drop; and all its objects."""
    with pytest.MonkeyPatch.context() as patch, staged(patch) as world:
        policies = [PolicyChange(revision=0, policy=policy)]
        app.datasets.create(a_dataset(on_drop=OnDrop.COLLECT, policies=policies), None)
        for number, rows in enumerate(drops):
            ingest_lines(PLACE, rows, f"drop-{number}", utc_now() + timedelta(seconds=number))
        stores = {name: getattr(app, name) for name in ("datasets", "contents", "exports", "objects", "trained")}
        export = FreezeDataset(**stores).freeze(*PLACE, app.datasets.get(*PLACE).revision, utc_now())
        found = world.s3.list_objects_v2(Bucket=BUCKET, Prefix=export.prefix)["Contents"]
        keys = [entry["Key"] for entry in found if not entry["Key"].endswith("manifest.json")]
        return export, {key: world.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def plain(export: Export) -> dict[str, Any]:
    return export.model_dump(exclude={"created_at", "seq"})


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(LINES, POLICIES, st.integers(1, 5), st.randoms(use_true_random=False))
def test_no_order_of_arrival_and_no_redelivery_changes_an_export(
    rows: list[dict[str, Any]], policy: Policy, parts: int, dice: random.Random
) -> None:
    drops = [part for start in range(parts) if (part := rows[start::parts])]
    shuffled = [dice.sample(part, len(part)) for part in dice.sample(drops, len(drops))]

    first, files = built(drops, policy)
    second, same = built([row for part in shuffled for row in (part, part)], policy)

    assert first.id == second.id
    assert plain(first) == plain(second)
    assert files == same


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(LINES, POLICIES, st.integers(2, 5))
def test_how_examples_lie_in_segments_changes_none_of_the_files(
    rows: list[dict[str, Any]], policy: Policy, parts: int
) -> None:
    first, files = built([rows], policy)
    second, others = built([part for start in range(parts) if (part := rows[start::parts])], policy)

    by_name, other_by_name = (
        {key.rsplit("/")[-1]: content for key, content in found.items()} for found in (files, others)
    )
    assert by_name == other_by_name
    assert first.left_out == second.left_out
    assert first.model_dump(include={"groups", "in_forms", "overlaps"}) == second.model_dump(
        include={"groups", "in_forms", "overlaps"}
    )
