"""Holds: what they say, and how much of what they kept off they remember."""

from tests.unit.factories import NOW, SECOND
from tuneloop.domain.serving.holds import MOST_REFUSED, Hold, RefusedVersion, describe_wait

HOLD = Hold(action="rollback", by="key key-1", at=NOW, reason="refunds are answered wrongly")


def refused(version: int, against: int = 0) -> RefusedVersion:
    return RefusedVersion(version=version, against=against, evaluation=f"eval-{version}", at=NOW + version * SECOND)


def test_the_newest_refused_versions_are_named() -> None:
    hold = HOLD
    for version in range(1, MOST_REFUSED + 4):
        hold = hold.with_refused(refused(version))

    assert [each.version for each in hold.refused] == list(range(4, MOST_REFUSED + 4))


def test_a_version_is_named_once_with_its_latest_refusal() -> None:
    hold = HOLD.with_refused(refused(1)).with_refused(refused(2)).with_refused(refused(1, against=3))

    assert [(each.version, each.against) for each in hold.refused] == [(2, 0), (1, 3)]


def test_a_hold_says_who_did_what_when_and_why_and_how_it_ends() -> None:
    assert describe_wait("support", None) is None
    assert describe_wait("support", HOLD) == (
        f"A person: key key-1 rolled it back on {NOW:%Y-%m-%d at %H:%M} UTC (refunds are answered wrongly), so no "
        "version is activated by itself. POST /v1/models/support/resume allows it again, and so does activating a "
        "version by hand."
    )
