"""The guide to deploying says what is so: its commands exist, and its table has every setting with its default."""

import json
import re

from infra.stage import PROD, ROOT, SECONDS, SETTINGS, THROW_AWAY

GUIDE = (ROOT / "docs" / "deploy.md").read_text("utf-8")


def test_every_make_command_of_the_guide_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))

    named = set(re.findall(r"(?:^|`|&& |\| )make ([a-z-]+)", GUIDE, re.M))

    assert {"deploy", "destroy", "smoke", "provider-key", "setup"} <= named
    assert named - targets == set()


def test_the_table_of_settings_is_complete_with_the_stage_s_defaults() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", GUIDE, re.M))

    assert set(rows) == set(SETTINGS)
    for name, told in rows.items():
        value = getattr(PROD, name)
        shown = value if isinstance(value, str) else json.dumps(value)
        assert (shown or "none") in told, name
    assert f"throw-away {THROW_AWAY.log_retention_days}" in rows["log_retention_days"]


def test_the_table_says_between_what_a_number_of_seconds_may_lie() -> None:
    for name, (least, most) in SECONDS.items():
        [row] = re.findall(rf"^\| `{name}` .*$", GUIDE, re.M)
        assert f"{least} to {most:,}" in row


def test_a_provider_that_works_is_named_before_anything_needs_one() -> None:
    assert GUIDE.index("python -m trainer") < GUIDE.index("make deploy STAGE=")


def test_the_guide_says_that_aws_has_not_been_tried() -> None:
    assert "**AWS itself has not been tried yet.**" in GUIDE
