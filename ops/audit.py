"""The audit of dependencies: every locked version is looked up in OSV, the database of known vulnerabilities.

pip-audit exits with the same status for a vulnerability and for a network that is down, so its JSON decides: a
vulnerability fails the check, and a package that could not be looked up is reported in one line. Only an audit that
looked up everything is silent.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

LOCKS = ("requirements/layer.txt", "requirements/dev.txt")
SERVICE = "https://api.osv.dev/v1/query"
# The audit is part of `make check`, which must not hang on a slow network: seconds for one answer, and for all of them.
ANSWER_TIMEOUT_S = 5
AUDIT_TIMEOUT_S = 120
# Names of requests' and pip-audit's own errors, as pip-audit prints them when the service can't be reached.
NETWORK_ERRORS = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "ServiceError", "SSLError", "ProxyError")


class Audit(NamedTuple):
    """The result of an audit: lines to print, and whether the check has to fail."""

    lines: list[str]
    failed: bool


def audit_dependencies(locks: Sequence[str] = LOCKS, service: str = SERVICE) -> Audit:
    """Look up every package of the lock files at `service`; an unreachable service is reported, and fails nothing."""
    files = [part for lock in locks for part in ("--requirement", lock)]
    lookup = ["--require-hashes", "--disable-pip", "--vulnerability-service", "osv", "--osv-url", service]
    output = ["--format", "json", "--progress-spinner", "off", "--timeout", str(ANSWER_TIMEOUT_S)]
    command = [sys.executable, "-m", "pip_audit", *files, *lookup, *output]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=AUDIT_TIMEOUT_S, check=False)  # noqa: S603 - our own command
    except subprocess.TimeoutExpired:
        return _skipped_audit(f"{service} took longer than {AUDIT_TIMEOUT_S} s")
    if finished.stdout.strip():
        return _audit_of(json.loads(finished.stdout)["dependencies"])
    if error := next((name for name in NETWORK_ERRORS if name in finished.stderr), None):
        return _skipped_audit(f"{service} can't be reached ({error})")
    reason = (finished.stderr.strip().splitlines() or ["pip-audit printed nothing"])[-1]
    return Audit([f"The audit of the dependencies failed: {reason}"], failed=True)


def _audit_of(packages: list[dict[str, Any]]) -> Audit:
    skipped = [package for package in packages if package.get("skip_reason")]
    lines = [line for package in packages for line in _vulnerability_lines(package)]
    if skipped:
        first = skipped[0]["skip_reason"]
        lines.append(f"{len(skipped)} of {len(packages)} dependencies were NOT audited, the first because: {first}")
    return Audit(lines, failed=any(package.get("vulns") for package in packages))


def _vulnerability_lines(package: dict[str, Any]) -> Iterator[str]:
    for vulnerability in package.get("vulns", []):
        fixes = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        yield f"{package['name']} {package['version']} is vulnerable: {vulnerability['id']}, fixed in {fixes}"


def _skipped_audit(why: str) -> Audit:
    return Audit([f"The dependencies were NOT audited: {why}."], failed=False)
