"""The way round the loop as its user goes it: a tenant, drops, a run, its evaluation, answers and their bill.

The demo goes this way on this machine, the smoke test on an AWS account. Both use the public routes and the bucket, and
look only at what any user can see; only the key is made as an operator makes it.
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

# The demo's steps take a second or two, so waiting begins with four looks a second. A run may take an hour: each look
# at it waits a fifth longer than the one before, up to ten seconds, so that it is not asked for thousands of times.
POLL_S = 0.25
MAX_POLL_S = 10.0
POLL_GROWTH = 1.2
RunSnapshot = tuple[dict[str, Any], list[dict[str, Any]]]  # a run and its events


class LoopError(Exception):
    """A step of the loop that did not do what it should; the message says what was expected."""


class StageAccess(Protocol):
    """A stage that can be called, whether on this machine or on AWS."""

    @property
    def base_url(self) -> str:
        """The base URL for an OpenAI client."""

    @property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs by name."""

    def client(self, service: str) -> Any:
        """A boto3 client with the operator's credentials."""


class ApiAnswer(NamedTuple):
    """One chat answer: its text, the version that gave it, and its id, which feedback names."""

    text: str
    version: int
    id: str


@dataclass(kw_only=True)
class Journey:
    """One tenant's way round the loop with one dataset; `calls` counts the chat calls that each version answered."""

    stack: StageAccess
    dataset: str
    tenant: str
    key: str = field(default="", repr=False)
    calls: dict[int, int] = field(default_factory=dict)

    @cached_property
    def api(self) -> ApiClient:
        """A client of Tuneloop's own routes, with the journey's key."""
        return ApiClient(self.stack.base_url, self.key)

    @property
    def tenants(self) -> Tenants:
        """The registry of tenants and keys, by the operator's credentials."""
        return Tenants(Table(self.stack.client("dynamodb"), self.stack.outputs["TableName"]))

    def make_key(self) -> str:
        """Make the tenant and a key with every scope, as `tuneloop keys create` does, and return the key's id."""
        created = create_key(self.tenant, frozenset(Scope), tenants=self.tenants, now=utc_now())
        self.key = created.secret
        return created.key.id

    def openai(self) -> OpenAI:
        """The unmodified OpenAI client, with the stage's base URL and the journey's key."""
        return OpenAI(base_url=self.stack.base_url, api_key=self.key)

    def drop(self, file: Path, folder: str = "") -> str:
        """Put a file into the bucket where drops belong, and return its key; a folder like `test/` marks its split."""
        key = f"incoming/{self.tenant}/{self.dataset}/{folder}{file.name}"
        self.stack.client("s3").upload_file(str(file), self.stack.outputs["BucketName"], key)
        return key

    def wait_for(self, what: str, read: Callable[[], Any], timeout_s: float) -> Any:
        """Call `read` until it returns something, and return that; LoopError, naming `what`, after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while not (result := read()):
            if time.monotonic() > deadline:
                raise LoopError(f"{what} did not happen within {timeout_s:.0f} s.")
            time.sleep(POLL_S)
        return result

    def wait_for_drops(self, expected: int, timeout_s: float) -> list[dict[str, Any]]:
        """Wait until the expected number of drops has been read, and return them; LoopError if one was rejected."""
        drops: list[dict[str, Any]]
        drops = self.wait_for("Collecting the drop", lambda: self._final_drops(expected), timeout_s)
        for drop in drops:
            if drop["status"] != "collected":
                problem = drop["problems"][0]
                raise LoopError(f"{drop['object']} was rejected: line {problem['line']}: {problem['message']}")
        return drops

    def describe_eligibility(self) -> str:
        """A sentence that says whether the dataset has enough to train on."""
        eligibility = self.api.get(f"/datasets/{self.dataset}/eligibility")
        return f"{eligibility['current_examples']:,} usable examples: {eligibility['recommendation']}"

    def wait_for_export(self, timeout_s: float) -> dict[str, Any]:
        """Wait until the dataset has an export, and return the newest one."""
        path = f"/datasets/{self.dataset}/exports"
        newest = self.wait_for("Freezing an export", lambda: self.api.get(path)["data"], timeout_s)[0]
        export: dict[str, Any] = self.api.get(f"{path}/{newest['id']}")
        return export

    def follow(self, run_id: str, timeout_s: float) -> Iterator[RunSnapshot]:
        """Yield a run and its events, ever more seldom, until the run has ended; LoopError after `timeout_s` seconds.

        Training may take an hour, so an API that can't be reached for a moment ends nothing.
        """
        deadline, wait_s = time.monotonic() + timeout_s, POLL_S
        while True:
            with suppress(ProviderUnavailable):
                run = self.api.get(f"/training-runs/{run_id}")
                yield run, self.api.get(f"/training-runs/{run_id}/events")["data"]
                if RunStatus(run["status"]) in TERMINAL:
                    return
            if time.monotonic() > deadline:
                raise LoopError(f"The run did not end within {timeout_s / 60:.0f} minutes.")
            time.sleep(wait_s)
            wait_s = min(MAX_POLL_S, wait_s * POLL_GROWTH)

    def wait_for_version(self, run: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Wait until a run's version can be called, and return it; LoopError where its provider can't serve it."""

        def deployed_version() -> dict[str, Any] | None:
            """The version, once its provider serves it or can't."""
            self.api.get(f"/training-runs/{run['id']}")  # reading a run moves its version a step further
            versions = self.api.get(f"/models/{run['model']}/versions")["data"]
            version = next(version for version in versions if version["number"] == run["version"])
            return version if version["status"] != "deploying" else None

        version: dict[str, Any] = self.wait_for("Deploying the version", deployed_version, timeout_s)
        if version["status"] != "ready":
            error = (version["error"] or {}).get("message")
            raise LoopError(f"Version {version['number']} is {version['status']}: {error}")
        return version

    def wait_for_evaluation(self, view: Callable[[dict[str, Any]], None], timeout_s: float) -> dict[str, Any]:
        """Show the newest evaluation to `view` until it has ended, and return it; LoopError if it compared nothing."""

        def final_evaluation() -> dict[str, Any] | None:
            """The newest evaluation, once it has ended."""
            evaluation = next(iter(self.api.get("/evaluations")["data"]), None)
            if evaluation:
                view(evaluation)
            return evaluation if evaluation and evaluation["status"] in ("completed", "failed") else None

        evaluation: dict[str, Any] = self.wait_for("The evaluation", final_evaluation, timeout_s)
        if evaluation["comparison"] is None:  # there are no rows to compare on, or a version can't answer
            raise LoopError(f"Nothing was compared. {evaluation['verdict']['reason']}")
        return evaluation

    def wait_for_decision(self, timeout_s: float) -> dict[str, Any]:
        """Wait until the model's history has a decision, and return the newest one."""
        path = f"/models/{self.dataset}/history"
        decisions: list[dict[str, Any]]
        decisions = self.wait_for("The gate's decision", lambda: self.api.get(path)["data"], timeout_s)
        return decisions[0]

    def ask(self, client: OpenAI, question: str, user: str) -> ApiAnswer:
        """Ask the model, and count the call under the version that answered."""
        completion: Any = client.chat.completions.create(
            model=self.dataset, messages=[{"role": "user", "content": question}], user=user
        )
        version: int = completion.tuneloop["version"]
        self.calls[version] = self.calls.get(version, 0) + 1
        return ApiAnswer(completion.choices[0].message.content, version, completion.id)

    def wait_for_usage(self, timeout_s: float) -> list[dict[str, Any]]:
        """Wait until the usage report has every call of this journey, and return its rows."""

        def complete_report() -> list[dict[str, Any]] | None:
            """The report's rows, once they count as many calls of each version as were made."""
            rows: list[dict[str, Any]] = self.api.get("/usage", model=self.dataset)["data"]
            return rows if {row["version"]: row["calls"] for row in rows} == self.calls else None

        rows: list[dict[str, Any]] = self.wait_for("Counting every call", complete_report, timeout_s)
        return rows

    def _final_drops(self, expected: int) -> list[dict[str, Any]]:
        """The drops that have been read, if they are as many as expected; [] before that."""
        datasets = {dataset["id"] for dataset in self.api.get("/datasets")["data"]}
        if self.dataset not in datasets:
            return []
        drops: list[dict[str, Any]] = self.api.get(f"/datasets/{self.dataset}/drops")["data"]
        final = [drop for drop in drops if drop["status"] != "reading"]
        return final if len(final) == expected else []


def describe_split(export: dict[str, Any]) -> str:
    """A sentence with the examples in each file of an export, and those left out by reason."""
    files = export["files"]
    counts = ", ".join(f"{files[split]['examples']:,} {split}" for split in ("train", "validation", "test"))
    left_out = ", ".join(f"{count:,} {why.replace('_', ' ')}" for why, count in export["left_out"].items())
    return f"export {export['id']}: {counts}" + (f" (left out: {left_out})" if left_out else "")


def describe_overlaps(export: dict[str, Any]) -> str:
    """A sentence that says by which measures the splits of an export share nothing; LoopError where they overlap."""
    if any(export["overlaps"].values()):
        raise LoopError(f"Splits of export {export['id']} overlap: {export['overlaps']}.")
    *kinds, last = (kind.replace("_", " ") for kind in export["overlaps"])
    near = f"{export['near_threshold']:.0%} alike by MinHash"
    forms = f"; {export['in_forms']:,} that fill in one form are not held for near" if export["in_forms"] else ""
    return f"proved: no two of them share a {', '.join(kinds)} or {last} (near: {near}{forms})"
