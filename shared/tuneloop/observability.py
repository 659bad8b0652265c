"""Logs and metrics of every function: structured, with a correlation id, and never with content.

Metrics have two dimensions, stage and function (`service`), so that their number, which is what they are billed by,
grows with neither tenants nor models.
"""

import os
import traceback

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

FRAMES = 8

logger = Logger(service=os.environ.get("POWERTOOLS_SERVICE_NAME", "tuneloop"))
metrics = Metrics(namespace="Tuneloop", service=os.environ.get("POWERTOOLS_SERVICE_NAME", "tuneloop"))
metrics.set_default_dimensions(stage=os.environ.get("TUNELOOP_STAGE", "none"))


def count(name: str, amount: int = 1) -> None:
    """Add to a metric of the current invocation."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=amount)


def flush() -> None:
    """Write the invocation's metrics into its log, if it counted anything."""
    if metrics.provider.metric_set:
        metrics.flush_metrics()


def log_failure(error: Exception) -> None:
    """Log what failed and where, without the error's text: it may quote a prompt, an answer or a key."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    logger.error("failed", extra={"error": type(error).__name__, "frames": frames[-FRAMES:]})
