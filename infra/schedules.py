"""The clocks that wake functions: a name, which is the constant input too, and EventBridge's expression."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """An EventBridge schedule; its target receives `{"schedule": name}`, whatever the time."""

    name: str
    expression: str


EVERY_5_MINUTES = Schedule("every-5-minutes", "rate(5 minutes)")
DAILY = Schedule("daily", "cron(0 4 * * ? *)")  # 04:00 UTC
MONTHLY = Schedule("monthly", "cron(0 3 1 * ? *)")  # the 1st of each month, 03:00 UTC
