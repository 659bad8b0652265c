"""What a former release deployed is there after an upgrade: nothing with data, a URL or a name is replaced."""

import json
from pathlib import Path

import pytest

from tests.infra.template import Template

# Logical ids of production by release, as CloudFormation knows them: whoever renames one deletes what bears it, with
# its data, its URL or the name that alarms and people know, and makes another.
RELEASES = sorted((Path(__file__).parent / "releases").glob("*.json"))


def test_there_is_a_release_to_keep() -> None:
    assert RELEASES


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_an_upgrade_replaces_nothing_that_was_deployed(release: Path, templates: dict[str, Template]) -> None:
    deployed: dict[str, str] = json.loads(release.read_text("utf-8"))

    present = {name: found["Type"] for name, found in templates["prod"].body["Resources"].items()}

    assert {name: kind for name, kind in deployed.items() if present.get(name) != kind} == {}
