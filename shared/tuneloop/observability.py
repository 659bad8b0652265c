"""Logs and metrics of every function: structured, with a correlation id, and never with content.

A metric is billed per name and set of dimensions for each hour in which it is counted. So all metrics of a stage have
the same dimensions: their number doesn't grow with tenants, models or functions. Metrics are written into the log of
the function that counts, which tells them apart. A count of zero isn't written, so an hour without events is free.
"""

import os
import traceback

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import ClientError

from tuneloop.domain.core.redaction import safe_code

# How many of a failure's innermost frames are logged: enough to see where it was and who called, in a short line.
FRAMES = 8
NAMESPACE = "Tuneloop"
SERVICE = "tuneloop"  # the one dimension that Powertools adds by itself; the other is the stage
METRICS = {
    "Dollars": "What the answers that were counted cost at the provider, in US dollars; unknown prices count nothing.",
    "DropsCollected": "Drops and posts whose examples were added to their dataset.",
    "DropsGivenUp": "Drops that were read for longer than any reader lives, and were ended as failed.",
    "DropsRecovered": "Files that the sweep found in `incoming/` because no event had told of them.",
    "DropsRefused": "Files below `incoming/` whose path names no tenant or dataset, so that nobody sees them.",
    "DropsRejected": "Drops and posts that added nothing because of what stands in them.",
    "EventsLeftToSweep": "Events that the bus did not take from the stream at once; the sweep sends them again.",
    "EventsResent": "Events that the sweep carried to the bus after the stream had not.",
    "FieldsLost": "Fields of examples that a provider's format has no place for and that only describe, left out.",
    "MonthlyRetrainings": "Runs requested by the monthly schedule.",
    "Promotions": "Candidates that the gate let through.",
    "JobsDoubled": "Second jobs of a run that were found at a provider and stopped.",
    "OrphansStopped": "Jobs that were found at a provider and stopped, as what they were for is gone.",
    "ProviderUnavailable": "Calls that the provider did not answer, answered with nonsense, or refused our key for; "
    "and chats that it refused on one version and answered on another that stood in.",
    "Refusals": "Candidates that the gate turned down.",
    "RunsAdopted": "Training runs whose row was lost and made again from their job.",
    "RunsCancelled": "Training runs that were cancelled.",
    "RunsChanged": "Training runs whose status the sweep found changed.",
    "RunsFailed": "Training runs that failed.",
    "RunsOverdue": "Training runs that were requested more than a day ago, wait for nobody, and have not ended; and "
    "versions that have waited for a day to be served.",
    "RunsStarted": "Training runs that became a job at the provider.",
    "RunsStuck": "Training runs of which nothing new was heard for too long, counted by each sweep.",
    "RunsSucceeded": "Training runs that ended with a model.",
    "SunsetsTold": "Versions of which it was told that their end comes nearer.",
    "SweepFailures": "Items on which a sweep failed; it went on with the others, and failed at its end.",
    "Tokens": "Tokens of the answers that were counted, of prompts and completions together.",
    "UsageBatchesRepeated": "Usage batches that were delivered again and left out.",
    "UsageLost": "Answers whose usage could not be sent to be counted.",
    "VersionsFailed": "Versions whose deployment their provider could not make.",
    "VersionsRetired": "Versions that left their deployment to a newer one, as the account may have no more.",
}

logger = Logger(service=os.environ.get("POWERTOOLS_SERVICE_NAME", SERVICE))
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)
metrics.set_default_dimensions(stage=os.environ.get("TUNELOOP_STAGE", "none"))


def count(name: str, amount: float = 1) -> None:
    """Add to a metric of the current invocation; `name` is one of METRICS."""
    if amount:
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=amount)


def flush() -> None:
    """Write the invocation's metrics into its log, if it counted anything."""
    if metrics.provider.metric_set:
        metrics.flush_metrics()


def kind_of(error: BaseException) -> str:
    """An error's type, with AWS's operation and code if AWS refused, as in `ClientError:PutItem:AccessDeniedException`.

    Operations and codes are fixed words of AWS; the error's text is left out, since it may quote content.
    """
    refusal = error if isinstance(error, ClientError) else error.__cause__
    words = [type(error).__name__]
    if isinstance(refusal, ClientError):
        code = safe_code(refusal.response.get("Error", {}).get("Code"))
        words += [refusal.operation_name, *([code] if code and code not in words else [])]
    return ":".join(words)


def log_failure(error: Exception) -> None:
    """Log an error's kind and frames without its text, which may quote a prompt, an answer or a key."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("failed", extra={"error": kind_of(error), "frames": frames[-FRAMES:]})
