"""The real provider with something in its way: what networks, time-outs and dying processes do to a call."""

from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from math import inf
from typing import IO, Any

from tuneloop.app import app
from tuneloop.domain.core.errors import ProviderUnavailable
from tuneloop.domain.training.jobs import ProviderJob, TrainingFile
from tuneloop.domain.training.model_offers import Capabilities
from tuneloop.openai_wire.chat import ChatCompletion
from tuneloop.providers.port import ProviderJobRequest


class Killed(BaseException):
    """The end of a process in the middle of its work."""


class ProviderProxy:
    """The provider, the stage's own unless another is named, in all that a test doesn't interfere with.

    It takes the provider's place in the functions.
    """

    def __init__(self, of: str | None = None) -> None:
        self._of = of or app.settings.provider
        self.real = app.providers.get(self._of)
        self._stand_for(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def leave(self) -> None:
        """Let the functions have the provider itself again."""
        self._stand_for(self.real)

    def _stand_for(self, provider: Any) -> None:
        app.providers._created[self._of] = provider, app.providers.registration(self._of), inf


class TimeoutAfterCreate(ProviderProxy):
    """Creates the job, but the answer comes after the caller has given up."""

    def create_job(self, request: ProviderJobRequest) -> ProviderJob:
        self.real.create_job(request)
        raise ProviderUnavailable("The provider can't answer now (APITimeoutError). Try again later.")


class CrashAfterCreate(ProviderProxy):
    """Creates the job, and the function dies before it can write that down."""

    def create_job(self, request: ProviderJobRequest) -> ProviderJob:
        self.real.create_job(request)
        raise Killed


class CrashBeforeCreate(ProviderProxy):
    """The function dies after it has written down that it would create, and before it does."""

    def create_job(self, _: ProviderJobRequest) -> ProviderJob:
        raise Killed


class CorruptedUploads(ProviderProxy):
    """Stores something else than what was sent."""

    def upload(self, file: TrainingFile, base_model: str, _: IO[bytes]) -> str:
        return str(self.real.upload(file, base_model, BytesIO(b"not json\n" * 12)))


class ProviderOutage(ProviderProxy):
    """Answers nothing."""

    def find_jobs(self, *_: Any) -> list[ProviderJob]:
        raise ProviderUnavailable("The provider can't answer now (APIConnectionError). Try again later.")

    def get_job(self, *_: Any, **__: Any) -> ProviderJob:
        raise ProviderUnavailable("The provider can't answer now (APIConnectionError). Try again later.")


class SlowProvider(ProviderProxy):
    """Says of every job that it is running until it is cancelled; the cancelled ones have cost a hundred tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.cancelled: list[str] = []
        self.is_away = False

    def create_job(self, request: ProviderJobRequest) -> ProviderJob:
        return self._seen(self.real.create_job(request))

    def cancel_job(self, job_id: str, timeout_s: float) -> None:
        if self.is_away:
            raise ProviderUnavailable(f"The provider can't answer now ({timeout_s:.0f} s).")
        self.cancelled.append(job_id)

    def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
        return self._seen(self.real.get_job(job_id, timeout_s=timeout_s))

    def find_jobs(self, *which: Any) -> list[ProviderJob]:
        return [self._seen(job) for job in self.real.find_jobs(*which)]

    def jobs(self) -> Iterator[ProviderJob]:
        return map(self._seen, self.real.jobs())

    def _seen(self, job: ProviderJob) -> ProviderJob:
        is_over = job.id in self.cancelled
        said = {"status": "cancelled", "trained_tokens": 100} if is_over else {"status": "running"}
        return job.model_copy(update={"fine_tuned_model": None, "finished_at": None, "trained_tokens": None, **said})


class CallCounter(ProviderProxy):
    """Counts what is asked of the provider, by method."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        self.asked[name] += callable(found)
        return found


class FixedStatus(ProviderProxy):
    """Says another status than the provider does."""

    def __init__(self, status: str) -> None:
        super().__init__()
        self.status = status

    def get_job(self, job_id: str, timeout_s: float) -> ProviderJob:
        job: ProviderJob = self.real.get_job(job_id, timeout_s)
        return job.model_copy(update={"status": self.status, "fine_tuned_model": None, "finished_at": None})


class AnswerRecorder(ProviderProxy):
    """Remembers requests, and which questions were answered on which model; goes away after a number of them."""

    def __init__(self, until: int | None = None) -> None:
        super().__init__()
        self.until = until
        self.answered: Counter[tuple[str, str]] = Counter()
        self.sent: list[dict[str, Any]] = []

    def complete(self, request: dict[str, Any], timeout_s: float) -> ChatCompletion:
        if self.until is not None and self.answered.total() >= self.until:
            raise ProviderUnavailable("The provider can't answer now (APIConnectionError). Try again later.")
        self.sent.append(request)
        answer: ChatCompletion = self.real.complete(request, timeout_s=timeout_s)
        self.answered[request["model"], request["messages"][-1]["content"]] += 1
        return answer


def stage_provider() -> Any:
    """The stage's own provider, as the functions find it."""
    return app.providers.get(app.settings.provider)


def jobs_of(run: str) -> list[ProviderJob]:
    """The jobs at the provider that carry a run's id."""
    return [job for job in stage_provider().jobs() if job.run == run]


class DeclaredCapabilities(ProviderProxy):
    """Declares other capabilities than the provider has."""

    def __init__(self, able: Capabilities, region: str | None = None, of: str | None = None) -> None:
        super().__init__(of)
        self.able, self.region = able, region

    def capabilities(self, _: str) -> Capabilities:
        return self.able
