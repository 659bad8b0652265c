"""The schedules that wake functions: every five minutes, daily and monthly."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """An EventBridge schedule by its name and expression; its target always receives `{"schedule": name}`."""

    name: str
    expression: str


EVERY_5_MINUTES = Schedule("every-5-minutes", "rate(5 minutes)")
DAILY = Schedule("daily", "cron(0 4 * * ? *)")  # 04:00 UTC
MONTHLY = Schedule("monthly", "cron(0 3 1 * ? *)")  # the 1st of each month, 03:00 UTC
