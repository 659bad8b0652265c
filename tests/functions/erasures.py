"""Steps of erasures: asked for, swept, and proved by what is left in the bucket and the table."""

import json
from typing import Any

import zstandard

from tests.functions.conftest import Later
from tests.world import BUCKET, Answer, World
from tuneloop.app import app

CANARY = "the purple heron dances at noon"
SUBJECT = "alice@example.com"
HOURS_3 = 3 * 3600  # past the quiet hours, after which what was rewritten is removed for good


def erase_example(world: World, example: str, dataset: str = "support") -> Answer:
    """Ask for the erasure of one example of a dataset."""
    route = "DELETE /v1/datasets/{dataset}/examples/{example}"
    return world.call(route, f"/v1/datasets/{dataset}/examples/{example}")


def erase_subject(world: World, subject: str) -> Answer:
    """Ask for the erasure of all that a subject sent, in every dataset; the subject as it stands in a path."""
    return world.call("DELETE /v1/subjects/{subject}", f"/v1/subjects/{subject}")


def erasure(world: World, name: str) -> dict[str, Any]:
    """An erasure as its user sees it."""
    found: dict[str, Any] = world.call("GET /v1/erasures/{erasure}", f"/v1/erasures/{name}").body
    return found


def stored_bytes(world: World) -> bytes:
    """All that the bucket holds of the tenant's data in any version, unpacked, and all of its rows."""
    parts = []
    for prefix in ("datasets", "exports", "evaluations"):
        for version in app.objects.all_versions(f"{prefix}/{world.tenant}/"):
            found = world.s3.get_object(Bucket=BUCKET, Key=version.key, VersionId=version.version)["Body"].read()
            packed = version.key.endswith(".zst")
            parts.append(zstandard.ZstdDecompressor().decompressobj().decompress(found) if packed else found)
    rows = world.dynamodb.scan(TableName=app.table.name)["Items"]
    own = [row for row in rows if row["pk"]["S"].startswith(f"T#{world.tenant}#")]
    return b"".join(parts) + json.dumps(own).encode()


def sweep_erasures(world: World, later: Later) -> None:
    """The sweep at once, and when the quiet hours are over."""
    world.schedule("erase-examples")
    later(HOURS_3)
    world.schedule("erase-examples")
