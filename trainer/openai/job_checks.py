"""What is refused when a job is created: everything that can be known without opening its files."""

from trainer.ids import now_s
from trainer.openai.errors import RefusalError
from trainer.storage.home import Home
from trainer.storage.models import base_model
from tuneloop.openai_wire.files import TRAINING_PURPOSE
from tuneloop.openai_wire.fine_tuning import JobRequest


def check(home: Home, request: JobRequest) -> None:
    """Refuse a job that this server cannot do, with 400."""
    is_preference = request.method is not None and request.method.type == "dpo"
    if not base_model(request.model) and not (is_preference and home.models.get(request.model)):
        message = f"Model {request.model} is not available for fine-tuning or does not exist."
        raise RefusalError(400, "model_not_available", message, "model")
    if request.method and request.method.type == "reinforcement":
        message = f"Model {request.model} is trained by the methods 'supervised' and 'dpo' only."
        raise RefusalError(400, "method_not_supported", message, "method.type")
    if request.integrations:
        raise RefusalError(400, "integrations_not_supported", "This server has no integrations.", "integrations")
    _check_file(home, "training_file", request.training_file)
    if request.validation_file is not None:
        _check_file(home, "validation_file", request.validation_file)


def _check_file(home: Home, param: str, file_id: str) -> None:
    file = home.files.get(file_id, now=now_s())
    if not file:
        raise RefusalError(400, "file_not_found", f"invalid {param}: {file_id} does not exist", param)
    if file.purpose != TRAINING_PURPOSE:
        message = f"invalid {param}: {file_id} has purpose '{file.purpose}', not '{TRAINING_PURPOSE}'"
        raise RefusalError(400, "invalid_purpose", message, param)
