"""The names of tuned models, as OpenAI makes them: `ft:<base>:<organisation>:<suffix>:<code>`."""

import re

from trainer.storage.bedrock import BEDROCK
from trainer.storage.jobs import is_bedrocks
from trainer.storage.models import ORGANIZATION
from tuneloop.openai_wire.fine_tuning import FineTuningJob

_NOT_ALLOWED = re.compile(r"[^a-z0-9]+")


def slug_of(suffix: str) -> str:
    """Return a suffix as it stands in a model's name: lower-case letters, digits and single hyphens."""
    return _NOT_ALLOWED.sub("-", suffix.lower()).strip("-")


def tuned_model_id(job: FineTuningJob) -> str:
    """Return the name of a job's model; its code is the end of the job's id."""
    if is_bedrocks(job.id):
        return f"{BEDROCK}:{job.id.removeprefix(f'{BEDROCK}-')}"
    suffix = slug_of(str((job.model_extra or {}).get("user_provided_suffix") or ""))
    base = job.model.split(":")[1] if job.model.startswith("ft:") else job.model
    return f"ft:{base}:{ORGANIZATION}:{suffix}:{job.id[-8:]}"


def checkpoint_model_id(job: FineTuningJob, step: int) -> str:
    """Return the name of a job's model as it was after a step."""
    return f"{tuned_model_id(job)}:ckpt-step-{step}"
