"""cdk-nag's rules for production: no finding without a reason, and no reason without a finding."""

import pytest

from infra.nag import accepted_findings

pytestmark = pytest.mark.xdist_group("infra")


def test_whatever_the_rules_find_is_accepted_with_a_reason(findings: set[tuple[str, str]]) -> None:
    assert findings - {(found.path, found.rule) for found in accepted_findings()} == set()


def test_nothing_is_accepted_that_the_rules_do_not_find(findings: set[tuple[str, str]]) -> None:
    assert {(found.path, found.rule) for found in accepted_findings()} - findings == set()


def test_a_finding_is_accepted_once_for_one_resource() -> None:
    found = [(found.path, found.rule) for found in accepted_findings()]

    assert len(found) == len(set(found))
    assert not any(path.endswith(("/", "*")) for path, _ in found)
    assert all(len(entry.reason) > 60 for entry in accepted_findings())
