"""The real trainer as a child process, and a world whose provider it is."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from threading import Lock, Timer
from typing import Any

import pytest
from openai import OpenAI

from infra.functions import FUNCTIONS
from tests.functions.gateway import serve_gateway
from tests.world import ENVIRONMENT, World, staged
from tuneloop.app import app, utc_now
from tuneloop.domain.core.ids import digest
from tuneloop.observability import METRICS, logger, metrics
from tuneloop.providers.openai import client as provider_client
from tuneloop.providers.openai.client import OpenAIClient

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN_S = 180
ENDS_WITHIN_S = 60
KEY = "test-key"
Later = Callable[[float], None]
MetricSums = Callable[[], dict[str, float]]


@pytest.fixture(scope="session")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a trainer on a free port."""
    folder = tmp_path_factory.mktemp("trainer")
    command = [sys.executable, "-m", "trainer", "--port", "0", "--data", str(folder), "--api-key", KEY]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _announced_url(process)
        finally:
            _end(process)


@pytest.fixture(scope="module", autouse=True)
def clients() -> Iterator[None]:
    """The SDK's clients, one per address and key for a module: they take time to make and must be closed."""
    made: dict[tuple[str, str], OpenAI] = {}
    make, alone = vars(OpenAIClient)["_client"].func, Lock()

    def client(provider: Any) -> OpenAI:
        with alone:
            address = (provider._base_url, provider._api_key)
            if address not in made or made[address].is_closed():
                made[address] = make(provider)
            return made[address]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenAIClient, "_client", property(client))
        patch.setattr(provider_client, "PAUSE_S", 0.0)
        yield
    for sdk_client in made.values():
        sdk_client.close()


@pytest.fixture
def live(trainer: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[World]:
    """A world with the trainer within reach."""
    with staged(monkeypatch, tenant_of(request.node.nodeid)) as world:
        reach(world, trainer, monkeypatch)
        yield world


def tenant_of(test: str) -> str:
    """A test's own tenant: the trainer outlives tests, and runs' ids and splits come from what they are made of."""
    return f"acme-{digest(test)[:12]}"


def reach(world: World, base_url: str, monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> None:
    """Let the functions start anew with a provider at that address."""
    monkeypatch.setenv("TUNELOOP_PROVIDER_BASE_URL", base_url)
    world.ssm.put_parameter(
        Name=ENVIRONMENT["TUNELOOP_PROVIDER_KEY_PARAMETER"], Value=key, Type="SecureString", Overwrite=True
    )
    for cached in ("settings", "providers"):
        app.__dict__.pop(cached, None)


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _announced_url(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    too_late = Timer(STARTS_WITHIN_S, process.kill)
    too_late.start()
    try:
        return next(line.split()[-1] for line in process.stdout if "URL" in line)
    finally:
        too_late.cancel()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Moves the clock of all functions to so many seconds after now."""

    packages = {spec.package for spec in FUNCTIONS}
    for package in packages:
        importlib.import_module(f"{package}.handler")  # one that is loaded later would have the real time
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in packages]

    def move(seconds: float) -> None:
        for module in modules:
            if hasattr(module, "utc_now"):
                monkeypatch.setattr(module, "utc_now", lambda: utc_now() + timedelta(seconds=seconds))

    return move


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """Everything that the functions log while a test runs."""
    written = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    return written


@pytest.fixture(scope="session")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The patterns of the deployed stack's rules, by rule name; synthesizing them takes seconds."""
    from aws_cdk import App  # noqa: PLC0415 - starts a JavaScript runtime

    from infra.app import build  # noqa: PLC0415

    cdk = App(outdir=str(tmp_path_factory.mktemp("cdk")), context={"stage": "local"})
    build(cdk)
    template = cdk.synth().get_stack_by_name("tuneloop-local").template
    rules = [found["Properties"] for found in template["Resources"].values() if found["Type"] == "AWS::Events::Rule"]
    return {rule["Name"]: rule["EventPattern"] for rule in rules if "EventPattern" in rule}


@pytest.fixture
def client(live: World) -> Iterator[OpenAI]:
    """OpenAI's own SDK on our API, in a world whose provider is the trainer."""
    with serve_gateway() as url, OpenAI(base_url=url, api_key=live.key, max_retries=0) as made:
        yield made


@pytest.fixture
def counted() -> MetricSums:
    """What was counted since it was last asked for; tests run with the writing of metrics turned off."""

    def take() -> dict[str, float]:
        sums = {name: sum(metric["Value"]) for name, metric in metrics.provider.metric_set.items()}
        metrics.provider.clear_metrics()
        assert set(sums) <= set(METRICS)
        return sums

    take()
    return take
