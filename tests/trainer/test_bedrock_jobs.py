"""Customization jobs: asked twice, stopped, interrupted, refused and failed."""

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from openai import NotFoundError

from local.ministack import ACCOUNT
from tests.trainer.bedrock import (
    BUCKET,
    CONVERSATIONS,
    ELSEWHERE,
    PROMPTS,
    Bedrock,
    conversations,
    prompts,
    refusal_of,
    said,
)
from tests.trainer.trainer_process import client_of, until

GOOD = conversations(10)
NOTHING = f"s3://{BUCKET}/tuning/none.jsonl"  # what a job that fails at once is begun with
LONG: dict[str, Any] = {
    "baseModelIdentifier": PROMPTS,
    "hyperParameters": {"epochCount": "10", "batchSize": "1"},
}


def names(bedrock: Bedrock, **wanted: Any) -> list[str]:
    pages = bedrock.control.get_paginator("list_model_customization_jobs").paginate(**wanted)
    return [job["jobName"] for page in pages for job in page["modelCustomizationJobSummaries"]]


def is_training(bedrock: Bedrock, arn: str) -> bool:
    return bool(bedrock.job(arn)["statusDetails"]["trainingDetails"]["status"] == "InProgress")


def test_the_same_token_gives_the_same_job(bedrock: Bedrock) -> None:
    first = bedrock.create("tokened", NOTHING, clientRequestToken="token-1")

    again = bedrock.create("tokened", NOTHING, clientRequestToken="token-1")

    assert again == first
    assert names(bedrock, nameContains="tokened") == ["tokened"]
    assert bedrock.job(first)["clientRequestToken"] == "token-1"


@pytest.mark.parametrize(
    ("name", "token"), [("twice", "token-2"), ("another", "token-1-twice")], ids=["name in use", "token in use"]
)
def test_a_name_or_token_that_is_in_use_is_a_conflict(bedrock: Bedrock, name: str, token: str) -> None:
    if "twice" not in names(bedrock):
        bedrock.create("twice", NOTHING, clientRequestToken="token-1-twice")

    with pytest.raises(ClientError) as refused:
        bedrock.create(name, NOTHING, clientRequestToken=token)

    assert refusal_of(refused.value) == ("ConflictException", 400)


def test_jobs_are_listed_newest_first_page_by_page(bedrock: Bedrock) -> None:
    made = [bedrock.create(f"page-{number}", NOTHING) for number in range(3)]

    first = bedrock.control.list_model_customization_jobs(nameContains="page-", maxResults=2)

    assert [job["jobArn"] for job in first["modelCustomizationJobSummaries"]] == made[:0:-1]
    assert names(bedrock, nameContains="page-", maxResults=2) == ["page-2", "page-1", "page-0"]
    assert names(bedrock, nameContains="page-", sortOrder="Ascending", maxResults=1) == ["page-0", "page-1", "page-2"]
    since = bedrock.job(made[1])["creationTime"]
    assert names(bedrock, nameContains="page-", creationTimeAfter=since) == ["page-2"]
    assert names(bedrock, nameContains="page-", creationTimeBefore=since) == ["page-0"]


def test_regions_know_nothing_of_each_other(bedrock: Bedrock) -> None:
    arn = bedrock.create("regional", NOTHING)
    elsewhere = bedrock.client("bedrock", "us-west-2")

    assert not elsewhere.list_model_customization_jobs(nameContains="regional")["modelCustomizationJobSummaries"]
    with pytest.raises(ClientError) as refused:
        elsewhere.get_model_customization_job(jobIdentifier=arn)
    assert refusal_of(refused.value) == ("ResourceNotFoundException", 404)


def test_a_job_can_be_stopped_and_the_next_one_runs(bedrock: Bedrock) -> None:
    arn = bedrock.create("stopped", prompts(2_000), **LONG)
    until(lambda: is_training(bedrock, arn), "it trains")

    bedrock.control.stop_model_customization_job(jobIdentifier=arn)

    assert bedrock.job(arn)["status"] == "Stopping"
    stopped = bedrock.ended(arn)
    assert stopped["status"] == "Stopped"
    assert "outputModelArn" not in stopped
    assert bedrock.ended(bedrock.create("after-the-stop", GOOD))["status"] == "Completed"
    with pytest.raises(ClientError) as refused:
        bedrock.control.stop_model_customization_job(jobIdentifier="after-the-stop")
    assert refusal_of(refused.value) == ("ConflictException", 400)


def test_a_job_survives_a_killed_server(make_bedrock: Callable[..., Bedrock]) -> None:
    bedrock = make_bedrock()
    arn = bedrock.create("killed", prompts(500), **LONG, clientRequestToken="token-killed")
    until(lambda: list((bedrock.trainer.folder / "jobs").glob("*.npz")), "an epoch is done")
    bedrock.trainer.kill()
    bedrock.trainer.start()

    again = Bedrock(bedrock.trainer, bedrock.aws)

    assert again.create("killed", prompts(500), **LONG, clientRequestToken="token-killed") == arn
    assert again.ended(arn)["status"] == "Completed"
    answered = again.deploy("killed", again.job(arn)["outputModelArn"])
    again.trainer.stop()
    again.trainer.start()
    assert Bedrock(again.trainer, again.aws).ask(answered, "my parcel is late") == '{"intent": "delivery"}'


def test_the_other_wire_shows_nothing_of_it(bedrock: Bedrock) -> None:
    arn = bedrock.create("hidden", GOOD)
    bedrock.ended(arn)

    with client_of(bedrock.trainer.url) as openai:
        assert not openai.fine_tuning.jobs.list().data
        assert not openai.files.list().data
        assert [model.owned_by for model in openai.models.list()] == ["tuneloop"]
        with pytest.raises(NotFoundError):
            openai.fine_tuning.jobs.retrieve(f"bedrock-{arn[-12:]}")


@pytest.mark.parametrize(
    ("change", "said_of_it"),
    [
        ({"hyperParameters": {"epochCount": "6"}}, "epochCount must be a whole number from 1 to 5"),
        ({"hyperParameters": {"epochCount": "two"}}, "epochCount must be a whole number"),
        ({"hyperParameters": {"learningRate": "0.001"}}, "learningRate must be a number from 1e-06 to 0.0001"),
        ({"hyperParameters": {"learningRateWarmupSteps": "101"}}, "learningRateWarmupSteps must be"),
        ({"hyperParameters": {"batchSize": "1"}}, "has no hyperparameter batchSize"),
        ({"baseModelIdentifier": PROMPTS, "hyperParameters": {"batchSize": "2"}}, "batchSize must be"),
        ({"baseModelIdentifier": "amazon.nova-micro-v1:0"}, "names no base model"),
        ({"customizationType": "CONTINUED_PRE_TRAINING"}, "by FINE_TUNING only"),
        ({"customizationType": "GUESSING"}, "customizationType must be one of FINE_TUNING"),
        ({"customModelName": "-"}, "customModelName must satisfy the regular expression"),
        ({"jobTags": [{"key": "k", "value": "v" * 257}]}, "jobTags[].value may be at most 256"),
        ({"roleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}, "role could not be taken on: NoSuchEntity"),
        ({"outputDataConfig": {"s3Uri": f"s3://{ELSEWHERE}/out/"}}, "a bucket of the region eu-west-1"),
        ({"outputDataConfig": {"s3Uri": "s3://no-such-bucket-here/out/"}}, "does not exist"),
        ({"trainingDataConfig": {}}, "trainingDataConfig.s3Uri is missing"),
    ],
)
def test_a_bad_request_is_refused_before_anything_is_made(
    bedrock: Bedrock, change: dict[str, Any], said_of_it: str
) -> None:
    with pytest.raises(ClientError) as refused:
        bedrock.create("refused", GOOD, **change)

    assert refusal_of(refused.value) == ("ValidationException", 400)
    assert said_of_it in refused.value.response["Error"]["Message"]
    assert not names(bedrock, nameContains="refused")


def test_a_role_that_does_not_trust_bedrock_is_refused(bedrock: Bedrock) -> None:
    role = bedrock.make_role("lambdas-own", ["s3:GetObject"], trusted="lambda.amazonaws.com")

    with pytest.raises(ClientError, match=r"does not trust bedrock\.amazonaws\.com"):
        bedrock.create("untrusted", GOOD, roleArn=role)


def test_what_the_role_may_not_read_or_write_fails_the_job(bedrock: Bedrock) -> None:
    blind = bedrock.make_role("blind", ["s3:PutObject"])
    mute = bedrock.make_role("mute", ["s3:GetObject"])

    unread = bedrock.ended(bedrock.create("unread", GOOD, roleArn=blind))
    unwritten = bedrock.ended(bedrock.create("unwritten", GOOD, roleArn=mute))
    missing = bedrock.ended(bedrock.create("missing", NOTHING))

    assert (unread["status"], unwritten["status"], missing["status"]) == ("Failed", "Failed", "Failed")
    assert "could not be read from S3: AccessDenied" in unread["failureMessage"]
    assert unread["statusDetails"]["validationDetails"]["status"] == "Failed"
    assert "could not be written to S3: AccessDenied" in unwritten["failureMessage"]
    assert unwritten["statusDetails"]["trainingDetails"]["status"] == "Failed"
    assert "could not be read" in missing["failureMessage"]


@pytest.mark.parametrize(
    ("line", "base", "said_of_it"),
    [
        ({"messages": []}, CONVERSATIONS, "Line 11 has no schemaVersion"),
        (GOOD[0] | {"messages": GOOD[0]["messages"][:1]}, CONVERSATIONS, "Line 11 does not go from a user's message"),
        (GOOD[0] | {"messages": [said("my-secret")] * 2}, CONVERSATIONS, "message 2 whose role is not 'assistant'"),
        (GOOD[0] | {"messages": [said(" "), said("b", "assistant")]}, CONVERSATIONS, "message 1 with content that"),
        (GOOD[0] | {"system": "my-secret"}, CONVERSATIONS, "system prompt that is not a list of texts"),
        ({"prompt": "my-secret"}, PROMPTS, "Line 11 has no text 'completion'"),
        (GOOD[0], PROMPTS, "Line 11 has no text 'prompt'"),
    ],
)
def test_a_bad_line_fails_the_job_with_a_message_that_names_it(
    bedrock: Bedrock, line: dict[str, Any], base: str, said_of_it: str
) -> None:
    good = GOOD if base == CONVERSATIONS else prompts(10)
    name = f"bad-{abs(hash(said_of_it)) % 10**9}"

    failed = bedrock.ended(bedrock.create(name, [*good, line], baseModelIdentifier=base))

    assert failed["status"] == "Failed"
    assert said_of_it in failed["failureMessage"]
    assert "secret" not in failed["failureMessage"]


def test_too_few_lines_fail_the_job(bedrock: Bedrock) -> None:
    failed = bedrock.ended(bedrock.create("few", GOOD[:7]))

    assert "has 7 examples, but must have at least 8" in failed["failureMessage"]


@pytest.mark.parametrize(
    ("model", "name", "status"),
    [
        ("amazon.nova-micro-v1:0", "ResourceNotFoundException", 404),
        (f"arn:aws:bedrock:us-east-1:{ACCOUNT}:custom-model-deployment/abcdefghijkl", "ResourceNotFoundException", 404),
        (f"arn:aws:bedrock:us-east-1:{ACCOUNT}:custom-model/tuneloop.linear/abcdefghijkl", "ValidationException", 400),
    ],
)
def test_an_unknown_model_is_refused(bedrock: Bedrock, model: str, name: str, status: int) -> None:
    with pytest.raises(ClientError) as refused:
        bedrock.ask(model, "hello")

    assert refusal_of(refused.value) == (name, status)


def test_a_deployment_is_not_ready_at_once(make_bedrock: Callable[..., Bedrock]) -> None:
    bedrock = make_bedrock("--settle-s", "60")
    model = bedrock.ended(bedrock.create("slow", GOOD))["outputModelArn"]
    made = bedrock.control.create_custom_model_deployment(modelDeploymentName="slow", modelArn=model)

    with pytest.raises(ClientError) as refused:
        bedrock.ask(made["customModelDeploymentArn"], "hello")

    assert refusal_of(refused.value) == ("ModelNotReadyException", 429)
    assert bedrock.deployment("slow")["status"] == "Creating"


@pytest.mark.parametrize("authorization", ["", "Bearer tl_key"])
def test_an_unsigned_request_is_denied(bedrock: Bedrock, authorization: str) -> None:
    where = urlsplit(bedrock.trainer.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)

    connection.request("GET", "/model-customization-jobs", headers={"Authorization": authorization})
    response = connection.getresponse()

    assert response.status == 403
    assert response.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert b'"message"' in response.read()
    connection.close()


def test_an_operation_that_the_server_lacks_is_unknown(bedrock: Bedrock) -> None:
    with pytest.raises(ClientError) as refused:
        bedrock.control.list_guardrails()

    assert refusal_of(refused.value) == ("UnknownOperationException", 404)
