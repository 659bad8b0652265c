"""The dependencies' audit: every locked version is looked up in OSV, the database of known vulnerabilities.

pip-audit ends with the same status for a vulnerability as for a network that is down, so its JSON decides: what it
found fails the check, what it could not look up is said in one line. Only what was looked up passes in silence.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

LOCKS = ("requirements/layer.txt", "requirements/dev.txt")
SERVICE = "https://api.osv.dev/v1/query"
ANSWER_S = 5
ALL_S = 120
AWAY = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "ServiceError", "SSLError", "ProxyError")


class Audit(NamedTuple):
    """What came of an audit, in lines to print; `failed` if the check has to."""

    lines: list[str]
    failed: bool


def audit_dependencies(locks: Sequence[str] = LOCKS, service: str = SERVICE) -> Audit:
    """Look up every package of the lock files."""
    files = [part for lock in locks for part in ("--requirement", lock)]
    asked = ["--require-hashes", "--disable-pip", "--vulnerability-service", "osv", "--osv-url", service]
    shown = ["--format", "json", "--progress-spinner", "off", "--timeout", str(ANSWER_S)]
    command = [sys.executable, "-m", "pip_audit", *files, *asked, *shown]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ALL_S, check=False)  # noqa: S603 - ours
    except subprocess.TimeoutExpired:
        return _skipped(f"{service} took longer than {ALL_S} s")
    if done.stdout.strip():
        return _judged(json.loads(done.stdout)["dependencies"])
    if away := next((word for word in AWAY if word in done.stderr), None):
        return _skipped(f"{service} can't be reached ({away})")
    reason = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
    return Audit([f"The audit of the dependencies failed: {reason}"], failed=True)


def _judged(packages: list[dict[str, Any]]) -> Audit:
    unknown = [package for package in packages if package.get("skip_reason")]
    found = [line for package in packages for line in _vulnerabilities(package)]
    if unknown:
        first = unknown[0]["skip_reason"]
        found.append(f"{len(unknown)} of {len(packages)} dependencies were NOT audited, the first because: {first}")
    return Audit(found, failed=any(package.get("vulns") for package in packages))


def _vulnerabilities(package: dict[str, Any]) -> Iterator[str]:
    for found in package.get("vulns", []):
        mended = ", ".join(found["fix_versions"]) or "no version yet"
        yield f"{package['name']} {package['version']} is vulnerable: {found['id']}, mended in {mended}"


def _skipped(why: str) -> Audit:
    return Audit([f"The dependencies were NOT audited: {why}."], failed=False)
