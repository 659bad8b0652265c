"""The port's wires: for each the provider that speaks it, against the real trainer as a child process.

Another wire is one more entry of `WIRES`: a name, and what makes its provider from the test's request.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from time import monotonic, sleep

import pytest

from tests.contract.lines import LINES, UNSEEN
from tests.functions.conftest import KEY, trainer
from tuneloop.domain.examples import Split
from tuneloop.domain.ids import derived_id
from tuneloop.domain.jobs import JobOrigin, ProviderJob, TrainingFile
from tuneloop.domain.providers import RegisteredProvider
from tuneloop.providers.base import JobRequest, Provider
from tuneloop.providers.openai_compatible import OpenAICompatible

__all__ = ["trainer"]
ENDED = ("succeeded", "failed", "cancelled")
ENDS_WITHIN_S = 60.0


@dataclass
class Wire:
    """A provider on its wire, a base model that it trains, and hyperparameters that it takes."""

    provider: Provider
    base_model: str
    chosen: dict[str, float]

    def origin(self, name: str) -> JobOrigin:
        """Where a job of that name comes from."""
        run = derived_id("run", self.provider.name, name)
        return JobOrigin(
            stage="test",
            tenant="acme",
            run=run,
            model="support",
            dataset="support",
            export="export-1",
            revision=1,
            attempt=1,
        )

    def file(self, name: str, split: Split = Split.TRAIN) -> TrainingFile:
        """A file of that job."""
        return TrainingFile("acme", self.origin(name).run, split)

    def uploaded(self, name: str, split: Split = Split.TRAIN) -> str:
        """The same, uploaded."""
        lines = LINES if split == Split.TRAIN else UNSEEN
        return self.provider.upload(self.file(name, split), self.base_model, BytesIO(lines))

    def request(self, name: str) -> JobRequest:
        """What is asked for under a name, its files uploaded."""
        return JobRequest(
            origin=self.origin(name),
            base_model=self.base_model,
            training_file=self.uploaded(name),
            validation_file=self.uploaded(name, Split.VALIDATION),
            hyperparameters=self.chosen,
        )

    def created(self, name: str) -> ProviderJob:
        """A job under a name."""
        return self.provider.create_job(self.request(name))

    def ended(self, job: ProviderJob) -> ProviderJob:
        """A job at its end."""
        end = monotonic() + ENDS_WITHIN_S
        while (seen := self.provider.get_job(job.id, 5)).status not in ENDED:
            assert monotonic() < end, f"the job is still {seen.status}"
            sleep(0.05)
        return seen


@contextmanager
def openai(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """OpenAI's wire."""
    registered = RegisteredProvider(name="trainer", base_url=request.getfixturevalue("trainer"))
    provider = OpenAICompatible(registered, lambda: KEY)
    yield Wire(provider, "tuneloop-linear-1", {"n_epochs": 3})
    provider.close()


WIRES: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Wire]]] = {"openai": openai}


@pytest.fixture(scope="module", params=WIRES)
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """Each wire in turn."""
    with WIRES[request.param](request) as made:
        yield made


@pytest.fixture(scope="module")
def trained(wire: Wire) -> ProviderJob:
    """A job that has succeeded."""
    ended = wire.ended(wire.created("trained"))
    assert ended.status == "succeeded", ended
    return ended
