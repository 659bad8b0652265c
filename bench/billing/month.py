"""A month's quantities: calculated from the template, what each operation needs, and the number of chat calls."""

from math import ceil

from bench.billing.meter import METRIC
from bench.billing.model import EVENT_BYTES, GB, HOURS, SECONDS, Amounts, Assumptions
from bench.billing.template import Poller, StackTemplate
from bench.billing.workload import Workload

ACCESS_LOG_FIELD = 20  # assumed bytes of the value in place of a `$context.…` of the access log's format
SQS_BATCH = 10  # the most messages that one request to SQS receives or deletes


def month(calls: int, deployed: StackTemplate, workload: Workload, assumed: Assumptions) -> Amounts:
    """The quantities of a month with this number of chat calls, by the names of the price list."""
    done = _schedule_amounts(deployed, workload, assumed)
    messages = dict.fromkeys((poller.function for poller in deployed.pollers), 0.0)
    if calls:
        done += _call_amounts(calls, workload, assumed) + _usage_amounts(calls, deployed, workload, assumed)
        done += (workload.drop + workload.training) * assumed.drops_a_month
        messages["record-usage"] += calls
        messages["collect-posts"] += 2 * assumed.drops_a_month  # the reminders that a drop leaves
    log_gb = done["log_gb"] + done["http_api_requests"] * access_log_bytes(deployed.access_log_format) / GB
    derived = {
        "sqs_requests": done["sqs_requests"] + poll_requests(deployed, messages, assumed),
        "dynamodb_gb_months": done["dynamodb_byte_months"] / GB,
        "dynamodb_pitr_gb_months": done["dynamodb_byte_months"] / GB,
        "s3_gb_months": done["s3_bytes"] * assumed.kept_months / GB,
        "metric_months": metric_months(done),
        "alarm_metrics": deployed.alarm_metrics,
        "dashboards": deployed.dashboards,
        "data_out_gb": _bytes_out(calls, done, assumed) / GB,
        "log_gb": log_gb,
        "log_gb_months": log_gb * deployed.log_retention_days * 24 / HOURS * assumed.log_compression,
    }
    return Amounts(done | derived)


def _schedule_amounts(deployed: StackTemplate, workload: Workload, assumed: Assumptions) -> Amounts:
    share = assumed.cold_share_of_schedules
    parts = [workload.schedules[schedule].times(number, share) for schedule, number in deployed.schedules.items()]
    return sum(parts, Amounts())


def _call_amounts(calls: int, workload: Workload, assumed: Assumptions) -> Amounts:
    chats = workload.chat.times(calls, assumed.cold_share)
    feedback = workload.feedback.times(calls * assumed.feedback_share, assumed.cold_share)
    return chats + feedback + workload.key_lookup * key_lookups(calls, assumed)


def key_lookups(calls: int, assumed: Assumptions) -> float:
    """The number of key lookups in a month: one in `key_cached_s` in each environment that is busy at the same time."""
    environments = ceil(calls / SECONDS * (assumed.provider_wait_s + 0.1))
    return min(float(calls), environments * SECONDS / assumed.key_cached_s)


def _usage_amounts(calls: int, deployed: StackTemplate, workload: Workload, assumed: Assumptions) -> Amounts:
    [poller] = [poller for poller in deployed.pollers if poller.function == "record-usage"]
    batches = calls / batch_of(poller, calls, assumed)
    return workload.batch.times(batches, assumed.cold_share) + workload.message * (calls - batches)


def batch_of(poller: Poller, messages: float, assumed: Assumptions) -> float:
    """The messages of an average batch: the first one, and those that the same poller gets in the window after it."""
    rate = messages / SECONDS / assumed.pollers
    return min(poller.batch_size, 1 + rate * poller.window_s)


def poll_requests(deployed: StackTemplate, messages: dict[str, float], assumed: Assumptions) -> float:
    """The number of Lambda's own requests to the queues: receives, empty or with a message, and deletes."""
    requests, idle = 0.0, SECONDS / assumed.poll_s * assumed.pollers
    for poller in deployed.pollers:
        arriving = messages[poller.function]
        batch = batch_of(poller, arriving, assumed)
        requests += max(idle, arriving) + arriving / batch * ceil(batch / SQS_BATCH)
    return requests


def metric_months(done: Amounts) -> float:
    """The metric-months of custom metrics: a metric is billed for the hours in which any function writes it."""
    return sum(min(1.0, times / HOURS) for name, times in done.items() if name.startswith(METRIC))


def access_log_bytes(form: str) -> int:
    """The length of one line of the API's access log."""
    fields = [word for word in form.replace('"', " ").split() if word.startswith("$context.")]
    return len(form) + sum(ACCESS_LOG_FIELD - len(field) for field in fields) + EVENT_BYTES


def _bytes_out(calls: int, done: Amounts, assumed: Assumptions) -> float:
    """The bytes sent out of AWS: measured answers with headers and the assumed text, and requests to the provider."""
    answers = done["answer_bytes"] + done["http_api_requests"] * assumed.headers
    texts = calls * assumed.bytes_per_token * (assumed.answer_tokens + assumed.prompt_tokens)
    return answers + texts + calls * assumed.headers
