"""The port's wires: for each the provider that speaks it, against the real trainer as a child process.

Another wire is one more entry of `WIRES`: a name, and what makes its provider from the test's request. A module that
holds for some wires alone says so: `pytestmark = pytest.mark.parametrize("wire", ["bedrock"], indirect=True)`.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import BytesIO

import pytest

from local.ministack import REGION
from tests.contract.lines import LINES, UNSEEN
from tests.trainer.bedrock import BUCKET, CONVERSATIONS, Bedrock
from tests.trainer.conftest import aws, bedrock, make_bedrock, make_trainer, trainer
from tests.trainer.trainer_process import BASE, Trainer, client_of, until
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.ids import derived_id
from tuneloop.domain.serving.models import VersionStatus
from tuneloop.domain.training.jobs import JobOrigin, ProviderJob, TrainingFile
from tuneloop.domain.training.providers import RegisteredProvider
from tuneloop.providers.bedrock import adapter as on_bedrock
from tuneloop.providers.openai.adapter import OpenAICompatible
from tuneloop.providers.port import Hosting, Provider, ProviderDeployment, ProviderJobRequest

__all__ = ["aws", "bedrock", "make_bedrock", "make_trainer", "trainer"]
ENDED = ("succeeded", "failed", "cancelled")
ENDS_WITHIN_S = 180
KEY = "any"
ROLE = "tuneloop-jobs"
SERVICES = ("BEDROCK", "BEDROCK_RUNTIME")
STAGE = "test"


@dataclass
class Wire:
    """A provider on its wire, a base model that it trains, hyperparameters that it takes, and others who use it.

    `stranger` makes a job past us, without a word of ours, and gives its id.
    """

    provider: Provider
    base_model: str
    chosen: dict[str, float]
    stranger: Callable[[], str]

    @property
    def hosting(self) -> Hosting:
        """What serves its models, on a wire where that has to be asked for."""
        assert self.provider.hosting
        return self.provider.hosting

    def origin(self, name: str) -> JobOrigin:
        """Where a job of that name comes from."""
        run = derived_id("run", self.provider.name, name)
        return JobOrigin(
            stage=STAGE,
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
        """Training lines, uploaded to the provider."""
        lines = LINES if split == Split.TRAIN else UNSEEN
        return self.provider.upload(self.file(name, split), self.base_model, BytesIO(lines))

    def request(self, name: str) -> ProviderJobRequest:
        """What is asked for under a name, its files uploaded."""
        return ProviderJobRequest(
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

        def look() -> ProviderJob | None:
            seen = self.provider.get_job(job.id, 5)
            return seen if seen.status in ENDED else None

        return until(look, f"the job {job.id} ends", ENDS_WITHIN_S)

    def settled(self, deployment: str) -> ProviderDeployment:
        """A deployment that is no longer on its way."""

        def look() -> ProviderDeployment | None:
            seen = self.hosting.find_deployment(deployment)
            return seen if seen and seen.status != VersionStatus.DEPLOYING else None

        return until(look, f"{deployment} is deployed", ENDS_WITHIN_S)


@contextmanager
def openai(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """OpenAI's wire."""
    running: Trainer = request.getfixturevalue("trainer")
    provider = OpenAICompatible(RegisteredProvider(name="trainer", base_url=running.url), lambda: KEY)
    with client_of(running.url, KEY) as client:

        def stranger() -> str:
            file = client.files.create(file=("theirs.jsonl", LINES), purpose="fine-tune")
            return client.fine_tuning.jobs.create(model=BASE, training_file=file.id).id

        yield Wire(provider, BASE, {"n_epochs": 3}, stranger)
    provider.close()


@contextmanager
def amazon(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """Bedrock's wire, with the data bucket, the jobs' role and their grants in MiniStack."""
    running: Bedrock = request.getfixturevalue("bedrock")
    role = running.make_role(ROLE, ["s3:GetObject"])
    places = [f"arn:aws:s3:::{BUCKET}/{folder}/*" for folder in ("training", "training-output")]
    allowed = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": places}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    running.iam.put_role_policy(RoleName=ROLE, PolicyName="ours", PolicyDocument=policy)
    running.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    with pytest.MonkeyPatch.context() as environment:
        for name, value in signed_in(running).items():
            environment.setenv(name, value)
        place = on_bedrock.StageResources(STAGE, BUCKET, role)
        provider = on_bedrock.Bedrock("bedrock", place, lambda: running.s3)
        yield Wire(provider, CONVERSATIONS, {"n_epochs": 3}, lambda: theirs(running))
        provider.close()


def signed_in(running: Bedrock) -> dict[str, str]:
    """What the functions' environment says of Bedrock."""
    wires = {f"AWS_ENDPOINT_URL_{name}": running.trainer.url.removesuffix("/v1") for name in SERVICES}
    return wires | {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_DEFAULT_REGION": REGION}


def theirs(running: Bedrock) -> str:
    """A job of another application of the account, the same however often it is asked for."""
    return running.create("somebody-elses", f"s3://{BUCKET}/tuning/none.jsonl", clientRequestToken="somebody-elses")


WIRES: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Wire]]] = {
    "openai": openai,
    "bedrock": amazon,
}


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


@pytest.fixture(scope="module")
def served(wire: Wire, trained: ProviderJob) -> str:
    """What calls name that job's model by."""
    assert trained.fine_tuned_model
    if wire.provider.hosting is None:
        return trained.fine_tuned_model
    return wire.settled(wire.hosting.deploy("contract", trained.fine_tuned_model).id).id
