"""Bedrock's jobs in our words, its errors as ours, and its base models by what is known of them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tuneloop.domain.core.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.core.ids import derived_id
from tuneloop.domain.training.jobs import JobOrigin
from tuneloop.providers.bedrock.base_models import capabilities_on_bedrock, hyperparameters_for, serving_id, training_id
from tuneloop.providers.bedrock.client import retry_quotas, translate_errors
from tuneloop.providers.bedrock.jobs import events_in, job_in, job_name, origin_in, run_in, status_in, tags_of
from tuneloop.providers.port import QUOTA_REACHED

RUN = derived_id("run", "one")
ROW = {"jobArn": "arn:aws:bedrock:us-east-1:1:model-customization-job/a.b/123456789012", "status": "InProgress"}


def phases(**statuses: str) -> dict[str, Any]:
    return {f"{name}Details": {"status": status} for name, status in statuses.items()}


@pytest.mark.parametrize(
    ("details", "status"),
    [
        ({}, "validating_files"),
        (phases(validation="InProgress", training="NotStarted"), "validating_files"),
        (phases(validation="Completed", dataProcessing="InProgress", training="NotStarted"), "queued"),
        (phases(validation="Completed", dataProcessing="Completed", training="InProgress"), "running"),
    ],
)
def test_the_furthest_phase_says_where_a_job_is(details: dict[str, Any], status: str) -> None:
    assert status_in({"status": "InProgress", "statusDetails": details}) == status


@pytest.mark.parametrize(
    ("said", "status"),
    [("Completed", "succeeded"), ("Failed", "failed"), ("Stopped", "cancelled"), ("Stopping", "Stopping")],
)
def test_an_end_is_in_our_words_and_what_we_do_not_know_stays_as_it_is(said: str, status: str) -> None:
    assert status_in({"status": said}) == status


def test_a_failed_job_does_not_repeat_what_bedrock_said() -> None:
    job = job_in({**ROW, "status": "Failed", "failureMessage": "line 3 says: my secret"}, "prod")

    assert job.error
    assert "secret" not in job.model_dump_json()


def test_a_model_is_named_only_by_a_job_that_has_succeeded() -> None:
    assert job_in({**ROW, "customModelArn": "arn:model"}, "prod").fine_tuned_model is None
    assert job_in({**ROW, "customModelArn": "arn:model", "status": "Completed"}, "prod").fine_tuned_model == "arn:model"


def test_a_job_is_ours_by_its_name() -> None:
    name = job_name("prod", RUN)

    assert len(job_name("a--stage-of-16-xx", RUN)) <= 63
    assert "--" not in job_name("a--stage-of-16-xx", RUN)
    assert run_in(name, "prod") == RUN
    assert run_in(name, "try") is None
    assert run_in("nightly-run", "prod") is None


def test_tags_say_where_a_job_comes_from() -> None:
    origin = JobOrigin(
        stage="prod", tenant="acme", run=RUN, model="m", dataset="d", export="export-1", revision=3, attempt=2
    )

    assert origin_in(tags_of(origin)) == origin
    assert origin_in([{"key": "team", "value": "x"}]) is None


def test_figures_that_cannot_be_read_are_left_out() -> None:
    training = "step_number,epoch_number,training_loss\n0,0,2.5\n1,0,oops\n2,0,nan\n3,1,1.5\n"
    validation = "step_number,epoch_number,validation_loss\n3,1,1.75\n"

    events = events_in(ROW, training, validation, None)

    assert [(event.step, event.train_loss, event.valid_loss) for event in events] == [
        (0, 2.5, None),
        (3, 1.5, None),
        (3, None, 1.75),
    ]
    assert events_in(ROW, "", "", None) == []
    assert [event.step for event in events_in(ROW, training, "", 1)] == [3]


def refused_with(code: str, status: int = 400) -> ClientError:
    said: Any = {"Error": {"Code": code, "Message": "quotes a prompt"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "Converse")


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "throttlingException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "ServiceUnavailableException",
        "ConflictException",
        "AccessDeniedException",
        "UnrecognizedClientException",
    ],
)
def test_what_passes_is_unavailable_and_aws_s_sentence_is_not_passed_on(code: str) -> None:
    with pytest.raises(ProviderUnavailable) as error, translate_errors():
        raise refused_with(code)

    assert "prompt" not in error.value.message


def test_what_does_not_pass_is_refused() -> None:
    with pytest.raises(ProviderRefused) as error, translate_errors():
        raise refused_with("ValidationException")
    with pytest.raises(ProviderRefused) as quota, translate_errors():
        raise refused_with("ServiceQuotaExceededException")
    with pytest.raises(ProviderUnavailable), translate_errors():
        raise refused_with("SomethingNewException", 503)
    with pytest.raises(ProviderUnavailable), translate_errors():
        raise ReadTimeoutError(endpoint_url="https://bedrock")

    assert error.value.message == "Bedrock refused the call: Validation."
    assert quota.value.code == QUOTA_REACHED


def test_a_quota_that_other_jobs_use_up_is_waited_for() -> None:
    with pytest.raises(ProviderUnavailable) as error, retry_quotas(), translate_errors():
        raise refused_with("ServiceQuotaExceededException")
    with pytest.raises(ProviderRefused), retry_quotas(), translate_errors():
        raise refused_with("ValidationException")

    assert error.value.retry_after_s
    assert "quota" in error.value.message


def test_a_base_is_trained_under_one_name_and_called_under_another() -> None:
    assert training_id("amazon.nova-micro-v1:0") == "amazon.nova-micro-v1:0:128k"
    assert serving_id("amazon.nova-micro-v1:0:128k") == "amazon.nova-micro-v1:0"
    deployment = "arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/abcdefghijkl"
    assert serving_id(deployment) == deployment


def test_hyperparameters_are_texts_in_bedrock_s_names_with_epochs_always() -> None:
    assert hyperparameters_for("amazon.nova-micro-v1:0", {"learning_rate": 0.00001}) == {
        "epochCount": "2",
        "learningRate": "0.00001",
    }
    assert hyperparameters_for("amazon.nova-micro-v1:0", {"n_epochs": 4})["epochCount"] == "4"


def test_what_has_no_counterpart_is_refused_naming_what_is_allowed() -> None:
    can = capabilities_on_bedrock("amazon.nova-micro-v1:0")

    assert can.refusal(can.methods[0], {"learning_rate": 0.00001}, "us-east-1") is None
    multiplier = can.refusal(can.methods[0], {"learning_rate_multiplier": 2})
    assert multiplier
    assert "learning_rate" in multiplier.message
    assert can.refusal(can.methods[0], {}, "eu-central-1")
    assert can.needs_deployment
    assert can.creates_once
