"""The whole of Tuneloop on this machine: brought up, and taken down again whatever happens in between.

All files lie below one directory, which is emptied first: `logs/*.log` of the processes, `logs/functions/*.log` of the
functions (written as the stack goes down), the trainer's data, the template. Stacks in different directories are
independent of each other.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

from infra.functions import FUNCTIONS
from infra.schedules import Schedule
from infra.stage import BEDROCK, LOCAL
from local.deploy import deploy
from local.ministack import Aws, start_ministack
from local.process import Child, free_port, listens, only_one, termination_unwinds
from local.supervisor import supervise
from local.trainer import START_TIMEOUT_S, Trainer, start_trainer

ROOT = Path(__file__).resolve().parent.parent
ON_BEDROCK = "tuneloop.linear-v1:0"  # the trainer's own base model on Bedrock's wire
T = TypeVar("T")


class LocalStack:
    """MiniStack, the trainer, the deployed stack and its proxy, up inside a `with` block."""

    aws: Aws  # MiniStack's address and its administrator's credentials
    trainer: Trainer
    outputs: dict[str, str]  # the stack's, by name: TableName, BucketName, ApiId, ...
    base_url: str  # http://127.0.0.1:PORT/v1, for an OpenAI client

    def __init__(self, directory: Path, *, tell: Callable[[str], None] = lambda _: None, **settings: str) -> None:
        """`tell` gets a line for each step; `settings` override the local stage's (infra.stage.OVERRIDABLE)."""
        self.directory = directory.resolve()
        self._tell, self._settings = tell, settings
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            cleanup.enter_context(termination_unwinds())
            self._start(cleanup)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def client(self, service: str) -> Any:
        """A boto3 client of the local account with its administrator's credentials."""
        return self.aws.client(service)

    def environment(self) -> dict[str, str]:
        """The variables by which Tuneloop's own code and command work on this stack as its administrator."""
        return {
            **self.aws.environment(),
            "TUNELOOP_STAGE": LOCAL.name,
            "TUNELOOP_TABLE": self.outputs["TableName"],
            "TUNELOOP_BUCKET": self.outputs["BucketName"],
            "TUNELOOP_BUS": self.outputs["BusName"],
            "TUNELOOP_EXAMPLES_QUEUE_URL": self.outputs["ExamplesQueueUrl"],
            "TUNELOOP_USAGE_QUEUE_URL": self.outputs["UsageQueueUrl"],
            "TUNELOOP_PROVIDER": self.provider,
            **self._provider_environment,
            "TUNELOOP_BASE_MODEL": self.base_model,
            "TUNELOOP_SETTLE_S": str(LOCAL.settle_s),
            "TUNELOOP_REFRESH_AFTER_S": str(LOCAL.refresh_after_s),
            "TUNELOOP_UNSEEN_AFTER_S": str(LOCAL.unseen_after_s),
            "TUNELOOP_QUIET_S": str(LOCAL.quiet_s),
        }

    @property
    def provider(self) -> str:
        """The stage's provider: the trainer, by OpenAI's wire, or Bedrock, which is the trainer by Bedrock's wire."""
        return self._settings.get("provider", LOCAL.provider)

    @property
    def base_model(self) -> str:
        """The provider's model that runs start from unless they name another."""
        return self._settings.get("base_model", ON_BEDROCK if self.provider == BEDROCK else LOCAL.base_model)

    @property
    def _address(self) -> dict[str, str]:
        """The settings by which the functions reach the trainer."""
        if self.provider == BEDROCK:
            return {"provider": BEDROCK, "base_model": self.base_model, "bedrock_url": self.trainer.bedrock_url}
        return {"provider_base_url": self.trainer.base_url}

    @property
    def _provider_environment(self) -> dict[str, str]:
        if self.provider == BEDROCK:
            wires = ("BEDROCK", "BEDROCK_RUNTIME")
            role = {"TUNELOOP_BEDROCK": "true", "TUNELOOP_BEDROCK_ROLE_ARN": self.outputs["BedrockRoleArn"]}
            return role | {f"AWS_ENDPOINT_URL_{wire}": self.trainer.bedrock_url for wire in wires}
        return {
            "TUNELOOP_PROVIDER_BASE_URL": self.trainer.base_url,
            "TUNELOOP_PROVIDER_KEY_PARAMETER": LOCAL.key_parameter,
        }

    def keep_up(self) -> NoReturn:
        """Restart the trainer and the proxy whenever they end, and say so, until a signal ends this.

        Both come back at their address, the trainer with its files, jobs and models. MiniStack has its state in memory,
        so the stack ends with it: ProcessError, as for a process that keeps ending.
        """
        restartable = {self._trainer: self.trainer.is_ready, self._proxy: self._proxy_listens}
        supervise(restartable, (self._ministack,), self._tell)

    def _proxy_listens(self) -> bool:
        return listens(urlsplit(self.base_url).port or 0)

    def fire(self, schedule: Schedule) -> None:
        """Invoke every function of `schedule` now, as its rule would in time: MiniStack's clock can't be set."""
        for spec in FUNCTIONS:
            if schedule in spec.schedules:
                self.client("lambda").invoke(
                    FunctionName=LOCAL.name_of(spec.name),
                    InvocationType="Event",
                    Payload=json.dumps({"schedule": schedule.name}),
                )

    def function_log(self, name: str) -> str:
        """The lines that a function has logged so far; `name` as in the table of functions."""
        group = f"/aws/lambda/{LOCAL.name_of(name)}"
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        return "".join(f"{event['message']}\n" for page in pages for event in page["events"])

    def _start(self, cleanup: ExitStack) -> None:
        cleanup.enter_context(only_one(self.directory))
        shutil.rmtree(self.directory, ignore_errors=True)
        self.aws, self._ministack = self._timed("MiniStack answers", lambda: start_ministack(self.directory))
        cleanup.callback(self._ministack.stop)
        self.trainer, self._trainer = start_trainer(self.directory, self.aws.environment())
        cleanup.callback(self._trainer.stop)
        self.client("ssm").put_parameter(Name=LOCAL.key_parameter, Value=self.trainer.api_key, Type="SecureString")
        settings = self._address | self._settings
        self.outputs = self._timed("The stack is deployed", lambda: deploy(self.aws, self.directory, settings))
        cleanup.callback(self._save_function_logs)
        self._timed("The trainer answers", lambda: self._trainer.wait_until(self.trainer.is_ready, START_TIMEOUT_S))
        self.base_url = self._timed("The API answers", lambda: self._start_proxy(cleanup))

    def _start_proxy(self, cleanup: ExitStack) -> str:
        base_url, self._proxy = start_proxy(self.aws, self.outputs["ApiId"], self.directory)
        cleanup.callback(self._proxy.stop)
        return base_url

    def _save_function_logs(self) -> None:
        if not self._ministack.is_running():
            return
        folder = self.directory / "logs" / "functions"
        folder.mkdir(exist_ok=True)
        for spec in FUNCTIONS:
            (folder / f"{spec.name}.log").write_text(self.function_log(spec.name))

    def _timed(self, what: str, step: Callable[[], T]) -> T:
        started = time.monotonic()
        result = step()
        self._tell(f"{what} ({time.monotonic() - started:.1f} s)")
        return result


def start_proxy(aws: Aws, api_id: str, directory: Path) -> tuple[str, Child]:
    """Start a proxy before an API in MiniStack, whose host name nothing resolves; returns the proxy's base URL too."""
    port = free_port()
    upstream = f"{aws.url}/_aws/execute-api/{api_id}/$default"
    command = [sys.executable, "-m", "local.proxy", "--port", str(port), "--upstream", upstream]
    proxy = Child("The proxy", command, log=directory / "logs" / "proxy.log", cwd=ROOT)
    try:
        proxy.wait_until(lambda: listens(port), START_TIMEOUT_S)
    except BaseException:
        proxy.stop()
        raise
    return f"http://127.0.0.1:{port}/v1", proxy
