"""What the demo's steps share: the stack, a tenant with its key, the API, and what the loop has made so far."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
from openai import OpenAI

from local.demo.screen import Screen
from local.stack import LocalStack
from tuneloop.app import utc_now
from tuneloop.cli.api import ApiClient
from tuneloop.domain.access import Scope
from tuneloop.domain.examples import text_of
from tuneloop.store.table import Table
from tuneloop.store.tenants import Tenants
from tuneloop.tenancy import create_key

TENANT = "demo"
ASKED = 5
POLL_S = 0.25
PLAIN_NAMES = ("train", "test", "data", "examples")


class DemoError(Exception):
    """A step of the demo did not do what it should; the message says what was expected."""


@dataclass
class Scene:
    """The demo's state."""

    stack: LocalStack
    screen: Screen
    data: Path
    test: Path | None
    dataset: str
    key: str = ""
    run: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    calls: dict[int, int] = field(default_factory=dict)

    def make_key(self) -> str:
        """A tenant and a key that may do everything, made as `tuneloop keys create` does."""
        tenants = Tenants(Table(self.stack.client("dynamodb"), self.stack.outputs["TableName"]))
        made = create_key(TENANT, frozenset(Scope), tenants=tenants, now=utc_now())
        self.key = made.secret
        return made.key.id

    @property
    def api(self) -> ApiClient:
        """Tuneloop's own routes."""
        return ApiClient(self.stack.base_url, self.key)

    def openai(self) -> OpenAI:
        """The unmodified OpenAI client, with nothing but base URL and key changed."""
        return OpenAI(base_url=self.stack.base_url, api_key=self.key)

    def drop(self, file: Path, folder: str = "") -> str:
        """Put a file into the bucket where drops belong."""
        key = f"incoming/{TENANT}/{self.dataset}/{folder}{file.name}"
        self.stack.client("s3").upload_file(str(file), self.stack.outputs["BucketName"], key)
        return key

    def questions(self) -> list[str]:
        """The last user messages of a few held-out examples, spread over the export's test file."""
        files = self.api.get(f"/datasets/{self.dataset}/exports/{self.run['export']}")["files"]
        lines = httpx2.get(files["test"]["url"]).raise_for_status().content.splitlines()
        spread = lines[:: max(1, len(lines) // ASKED)][:ASKED]
        return [_question(orjson.loads(line)) for line in spread]

    def wait_for(self, what: str, look: Callable[[], Any], timeout_s: float) -> Any:
        """What `look` gives as soon as it gives something; DemoError after `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while not (found := look()):
            if time.monotonic() > deadline:
                raise DemoError(f"{what} did not happen within {timeout_s:.0f} s.")
            time.sleep(POLL_S)
        return found


def dataset_name(file: Path) -> str:
    """The dataset's name from a file's: its stem, or its folder's name where the stem says nothing."""
    stem = file.stem if file.stem.lower() not in PLAIN_NAMES else file.resolve().parent.name
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:63] or "demo-data"


def _question(line: dict[str, Any]) -> str:
    return next(text_of(message) for message in reversed(line["messages"]) if message["role"] == "user")
