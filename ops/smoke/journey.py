"""The loop as its user goes round it: a tenant, drops, a run, its proof, answers and their bill, by the front doors.

The demo goes this way on this machine, the smoke test on an account; both look only at what any user can see.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from openai import OpenAI

from tuneloop.app import utc_now
from tuneloop.cli.api import ApiClient
from tuneloop.domain.core.access import Scope
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.domain.training.runs import TERMINAL, RunStatus
from tuneloop.store.dynamodb import Table
from tuneloop.store.repositories.api_keys import create_key
from tuneloop.store.repositories.tenants import Tenants

POLL_S = 0.25
SLOWEST_POLL_S = 10.0
GROWTH = 1.2
RunSnapshot = tuple[dict[str, Any], list[dict[str, Any]]]


class LoopError(Exception):
    """The loop did not do what it should; the message says what was expected."""


class StageAccess(Protocol):
    """Where a stage is deployed, on this machine or on AWS."""

    @property
    def base_url(self) -> str:
        """What an OpenAI client is given."""

    @property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs by name."""

    def client(self, service: str) -> Any:
        """A boto3 client as its operator."""


class ApiAnswer(NamedTuple):
    """One answer of a model: its text, the version that gave it, and its id."""

    text: str
    version: int
    id: str


@dataclass(kw_only=True)
class Journey:
    """One tenant's way round the loop with one dataset, and what it counted on the way."""

    stack: StageAccess
    dataset: str
    tenant: str
    key: str = field(default="", repr=False)
    calls: dict[int, int] = field(default_factory=dict)

    @cached_property
    def api(self) -> ApiClient:
        """Tuneloop's own routes."""
        return ApiClient(self.stack.base_url, self.key)

    @property
    def tenants(self) -> Tenants:
        """The registry of tenants and keys, as an operator reaches it."""
        return Tenants(Table(self.stack.client("dynamodb"), self.stack.outputs["TableName"]))

    def make_key(self) -> str:
        """A tenant and a key that may do everything, made as `tuneloop keys create` does; gives the key's id."""
        made = create_key(self.tenant, frozenset(Scope), tenants=self.tenants, now=utc_now())
        self.key = made.secret
        return made.key.id

    def openai(self) -> OpenAI:
        """The unmodified OpenAI client, with nothing but base URL and key changed."""
        return OpenAI(base_url=self.stack.base_url, api_key=self.key)

    def drop(self, file: Path, folder: str = "") -> str:
        """Put a file into the bucket where drops belong."""
        key = f"incoming/{self.tenant}/{self.dataset}/{folder}{file.name}"
        self.stack.client("s3").upload_file(str(file), self.stack.outputs["BucketName"], key)
        return key

    def wait_for(self, what: str, look: Callable[[], Any], timeout_s: float) -> Any:
        """What `look` gives as soon as it gives something; LoopError after `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while not (found := look()):
            if time.monotonic() > deadline:
                raise LoopError(f"{what} did not happen within {timeout_s:.0f} s.")
            time.sleep(POLL_S)
        return found

    def wait_for_drops(self, expected: int, timeout_s: float) -> list[dict[str, Any]]:
        """The drops once as many as expected have been read; LoopError if one of them was rejected."""
        drops: list[dict[str, Any]]
        drops = self.wait_for("Collecting the drop", lambda: self._ended_drops(expected), timeout_s)
        for found in drops:
            if found["status"] != "collected":
                first = found["problems"][0]
                raise LoopError(f"{found['object']} was rejected: line {first['line']}: {first['message']}")
        return drops

    def describe_eligibility(self) -> str:
        """Whether there is enough to train on, in words."""
        found = self.api.get(f"/datasets/{self.dataset}/eligibility")
        return f"{found['current_examples']:,} usable examples: {found['recommendation']}"

    def wait_for_export(self, timeout_s: float) -> dict[str, Any]:
        """The newest export, once there is one."""
        path = f"/datasets/{self.dataset}/exports"
        newest = self.wait_for("Freezing an export", lambda: self.api.get(path)["data"], timeout_s)[0]
        found: dict[str, Any] = self.api.get(f"{path}/{newest['id']}")
        return found

    def follow(self, run: str, timeout_s: float) -> Iterator[RunSnapshot]:
        """A run and its events, ever more seldom, until it has ended; LoopError after `timeout_s` seconds.

        An hour is long: an API that can't be reached for a moment is asked again.
        """
        deadline, wait = time.monotonic() + timeout_s, POLL_S
        while True:
            with suppress(ProviderUnavailable):
                found = self.api.get(f"/training-runs/{run}")
                yield found, self.api.get(f"/training-runs/{run}/events")["data"]
                if RunStatus(found["status"]) in TERMINAL:
                    return
            if time.monotonic() > deadline:
                raise LoopError(f"The run did not end within {timeout_s / 60:.0f} minutes.")
            time.sleep(wait)
            wait = min(SLOWEST_POLL_S, wait * GROWTH)

    def wait_for_version(self, run: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """A run's version once it can be called; LoopError where its provider can't serve it."""

        def deployed_version() -> dict[str, Any] | None:
            """The version, once its provider serves it or can't."""
            self.api.get(f"/training-runs/{run['id']}")  # which takes a version a step further
            versions = self.api.get(f"/models/{run['model']}/versions")["data"]
            found = next(version for version in versions if version["number"] == run["version"])
            return found if found["status"] != "deploying" else None

        found: dict[str, Any] = self.wait_for("Deploying the version", deployed_version, timeout_s)
        if found["status"] != "ready":
            raise LoopError(f"Version {found['number']} is {found['status']}: {(found['error'] or {}).get('message')}")
        return found

    def wait_for_evaluation(self, view: Callable[[dict[str, Any]], None], timeout_s: float) -> dict[str, Any]:
        """The newest evaluation once it has ended, shown to `view` until then."""

        def final_evaluation() -> dict[str, Any] | None:
            """The newest evaluation, once it has ended."""
            found = next(iter(self.api.get("/evaluations")["data"]), None)
            if found:
                view(found)
            return found if found and found["status"] in ("completed", "failed") else None

        found: dict[str, Any] = self.wait_for("The evaluation", final_evaluation, timeout_s)
        if found["comparison"] is None:  # no rows to compare on, or one that can't answer
            raise LoopError(f"Nothing was compared. {found['verdict']['reason']}")
        return found

    def wait_for_decision(self, timeout_s: float) -> dict[str, Any]:
        """The newest decision about the model, once there is one."""
        path = f"/models/{self.dataset}/history"
        found: dict[str, Any] = self.wait_for("The gate's decision", lambda: self.api.get(path)["data"], timeout_s)[0]
        return found

    def ask(self, client: OpenAI, question: str, user: str) -> ApiAnswer:
        """Ask the model, and count the call under the version that answered."""
        made: Any = client.chat.completions.create(
            model=self.dataset, messages=[{"role": "user", "content": question}], user=user
        )
        version: int = made.tuneloop["version"]
        self.calls[version] = self.calls.get(version, 0) + 1
        return ApiAnswer(made.choices[0].message.content, version, made.id)

    def wait_for_usage(self, timeout_s: float) -> list[dict[str, Any]]:
        """The usage report, once it knows of every call."""

        def all_of_them() -> list[dict[str, Any]] | None:
            """The report, once it has as many calls of each version as were made."""
            rows: list[dict[str, Any]] = self.api.get("/usage", model=self.dataset)["data"]
            return rows if {row["version"]: row["calls"] for row in rows} == self.calls else None

        rows: list[dict[str, Any]] = self.wait_for("Counting every call", all_of_them, timeout_s)
        return rows

    def _ended_drops(self, expected: int) -> list[dict[str, Any]]:
        known = {dataset["id"] for dataset in self.api.get("/datasets")["data"]}
        if self.dataset not in known:
            return []
        drops: list[dict[str, Any]] = self.api.get(f"/datasets/{self.dataset}/drops")["data"]
        ended = [found for found in drops if found["status"] != "reading"]
        return ended if len(ended) == expected else []


def describe_split(export: dict[str, Any]) -> str:
    """An export's files in words."""
    files = export["files"]
    counts = ", ".join(f"{files[split]['examples']:,} {split}" for split in ("train", "validation", "test"))
    left_out = ", ".join(f"{count:,} {why.replace('_', ' ')}" for why, count in export["left_out"].items())
    return f"export {export['id']}: {counts}" + (f" (left out: {left_out})" if left_out else "")


def describe_overlaps(export: dict[str, Any]) -> str:
    """That the splits of an export share nothing, in words; it says so in figures too."""
    if any(export["overlaps"].values()):
        raise LoopError(f"Splits of export {export['id']} overlap: {export['overlaps']}.")
    *kinds, last = (kind.replace("_", " ") for kind in export["overlaps"])
    near = f"{export['near_threshold']:.0%} alike by MinHash"
    forms = f"; {export['in_forms']:,} that fill in one form are not held for near" if export["in_forms"] else ""
    return f"proved: no two of them share a {', '.join(kinds)} or {last} (near: {near}{forms})"
