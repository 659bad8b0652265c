"""One trainer for the session, with one tuned model, since starting and training take most of the time."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

from local.ministack import Aws, start_ministack
from tests.trainer.bedrock import Bedrock
from tests.trainer.trainer_process import BASE, Trainer, client_of, ended, intents, supervised, upload


@pytest.fixture(scope="session")
def make_trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Trainer]]:
    """Make trainers that are not started, and see to it that they end in peace."""
    made: list[Trainer] = []

    def make(*options: str, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Trainer:
        folder = folder or tmp_path_factory.mktemp("trainer") / "data"
        made.append(Trainer(folder, *options, environment=environment))
        return made[-1]

    yield make
    for trainer in made:
        trainer.stop()
    assert not any("Traceback" in trainer.log.read_text() for trainer in made if trainer.log.exists())


@pytest.fixture(scope="session")
def trainer(make_trainer: Callable[..., Trainer]) -> Trainer:
    running = make_trainer()
    running.start()
    return running


@pytest.fixture(scope="session")
def client(trainer: Trainer) -> Iterator[OpenAI]:
    with client_of(trainer.url) as connected:
        yield connected


@pytest.fixture(scope="session")
def tuned(client: OpenAI) -> FineTuningJob:
    """A job that has succeeded, with validation data, a suffix and metadata."""
    job = client.fine_tuning.jobs.create(
        model=BASE,
        training_file=upload(client, intents(200)),
        validation_file=upload(client, intents(40, seed=1), "valid.jsonl"),
        method=supervised(n_epochs=5),
        suffix="Support Desk",
        seed=7,
        metadata={"run": "tuned", "purpose": "conformance"},
    )
    return ended(client, job.id)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """MiniStack, with IAM enforced."""
    running, child = start_ministack(tmp_path_factory.mktemp("aws"))
    yield running
    child.stop()


@pytest.fixture(scope="session")
def make_bedrock(aws: Aws, make_trainer: Callable[..., Trainer]) -> Callable[..., Bedrock]:
    """Start trainers on Bedrock's wire, all with the same buckets and role."""

    def make(*options: str) -> Bedrock:
        trainer = make_trainer(*options, environment=aws.environment())
        trainer.start()
        return Bedrock(trainer, aws)

    return make


@pytest.fixture(scope="session")
def bedrock(make_bedrock: Callable[..., Bedrock]) -> Bedrock:
    return make_bedrock()
