"""What can be neither read from the template nor counted on this machine: stated here, printed with the bill."""

from dataclasses import asdict, dataclass

HOURS = 730.0  # a month, as AWS counts it
SECONDS = HOURS * 3600
VCPU_MB = 1769  # the memory at which Lambda gives a function one whole vCPU


@dataclass(frozen=True)
class Assumptions:
    """The assumptions; times in seconds, sizes in bytes."""

    prompt_tokens: int = 300
    answer_tokens: int = 100
    bytes_per_token: int = 4
    headers: int = 1_000  # of an answer or a request to the provider, with its share of TLS
    provider_wait_s: float = 1.0  # Lambda bills waiting like working
    submitting_wait_s: float = 30.0  # uploads and calls of a training run
    aws_wait_s: float = 0.010  # for each request to an AWS service
    cold_share: float = 0.01  # AWS: under 1% of invocations; its start is billed since August 2025
    cold_share_of_schedules: float = 0.10  # what wakes every 5 minutes may find its environment gone
    feedback_share: float = 0.05
    drop_lines: int = 2_000
    drops_a_month: int = 1  # each with its export, training run, evaluation and decision
    kept_months: float = 12.0  # rows and objects that nothing deletes: their size after a year
    log_compression: float = 0.15
    key_cached_s: float = 30.0
    poll_s: float = 20.0  # an empty long poll
    pollers: int = 5  # per queue with a maximum concurrency, by Lambda's documentation
    fewest_pollers: int = 2  # to which Lambda goes down in an idle queue without one
    stream_polls_per_s: float = 4.0
    trace_share: float = 0.05  # of what comes after the first in each second


def described(given: Assumptions) -> list[tuple[str, str]]:
    """The assumptions as a table."""
    texts = {
        "calls": "spread evenly over the month; one tenant, one dataset, one model, one version that answers",
        "tokens per call": f"{given.prompt_tokens} in, {given.answer_tokens} out, {given.bytes_per_token} bytes each",
        "provider": f"answers in {given.provider_wait_s:g} s, all of it billed as Lambda time; its tokens are "
        "not part of this bill",
        "CPU": f"this machine's core counts as one vCPU; a function gets memory/{VCPU_MB} MB of it",
        "waiting for AWS": f"{given.aws_wait_s * 1000:g} ms a request",
        "cold starts": f"{given.cold_share:.0%} of invocations, {given.cold_share_of_schedules:.0%} of scheduled ones",
        "feedback": f"on {given.feedback_share:.0%} of the calls, in requests of their own",
        "training": f"{given.drops_a_month} drop of {given.drop_lines:,} lines a month, "
        "with export, run, evaluation and decision",
        "storage": f"as it is after {given.kept_months:g} months; what expires, as long as it is kept",
        "queues": f"{given.pollers} pollers each ({given.fewest_pollers} without a maximum concurrency), empty polls "
        f"of {given.poll_s:g} s, one receive a message, batches of 1 + rate x window / pollers",
        "logs": f"26 bytes more per event, kept at {given.log_compression:.0%} of their size",
        "X-Ray": f"one trace in each second, then {given.trace_share:.0%}; every invocation is a trace of its own",
        "data out": f"answers and prompts with {given.headers:,} bytes of headers each",
    }
    return list(texts.items())


def as_data(given: Assumptions) -> dict[str, float]:
    """The assumptions as they are written beside the bill."""
    return asdict(given)
