"""The Bedrock adapter on a wire that checks every call against AWS's own model: each method of the port."""

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest

from local.ministack import ACCOUNT, REGION
from tests.trainer.bedrock import BUCKET, CONVERSATIONS, PROMPTS, Bedrock
from tests.trainer.running import PROMPT, intents, jsonl, until
from tuneloop.domain.errors import ProviderRefused, ProviderUnavailable
from tuneloop.domain.examples import Split
from tuneloop.domain.ids import derived_id
from tuneloop.domain.jobs import JobOrigin, ProviderJob, TrainingFile
from tuneloop.domain.registry import VersionStatus
from tuneloop.providers import bedrock as adapter
from tuneloop.providers.base import JOB_NOT_FOUND, JobRequest

LATE = {"role": "user", "content": "My parcel is late, says the tracking."}
ASKED = [{"role": "system", "content": PROMPT}, LATE]


@pytest.fixture(scope="module")
def provider(bedrock: Bedrock) -> Iterator[adapter.Bedrock]:
    role = bedrock.make_role("tuneloop-jobs", ["s3:GetObject"])
    places = [f"arn:aws:s3:::{BUCKET}/{folder}/*" for folder in ("training", "training-output")]
    allowed = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": places}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    bedrock.iam.put_role_policy(RoleName="tuneloop-jobs", PolicyName="ours", PolicyDocument=policy)
    url = bedrock.trainer.url.removesuffix("/v1")
    with pytest.MonkeyPatch.context() as environment:
        for service in ("BEDROCK", "BEDROCK_RUNTIME"):
            environment.setenv(f"AWS_ENDPOINT_URL_{service}", url)
        environment.setenv("AWS_ACCESS_KEY_ID", "anyone")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "anything")
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        place = adapter.Place("local", BUCKET, role)
        made = adapter.Bedrock("bedrock", place, lambda: bedrock.aws.client("s3"))
        yield made
        made.close()


def origin(name: str) -> JobOrigin:
    run = derived_id("run", name)
    more: dict[str, Any] = {"stage": "local", "tenant": "acme", "model": "intents", "dataset": "intents"}
    return JobOrigin(**more, run=run, export="export-1", revision=3, attempt=1)


def requested(provider: adapter.Bedrock, name: str, base: str = CONVERSATIONS, **chosen: Any) -> JobRequest:
    whose = origin(name)
    files = [TrainingFile("acme", whose.run, split) for split in (Split.TRAIN, Split.VALIDATION)]
    lines = [intents(200), intents(40, seed=1)]
    if base == PROMPTS:
        lines = [[{"messages": line["messages"][1:]} for line in some] for some in lines]
    uris = [provider.upload(file, base, BytesIO(jsonl(some))) for file, some in zip(files, lines, strict=True)]
    return JobRequest(
        origin=whose, base_model=base, training_file=uris[0], validation_file=uris[1], hyperparameters=chosen
    )


def ended(provider: adapter.Bedrock, job: ProviderJob) -> ProviderJob:
    def look() -> ProviderJob | None:
        now = provider.get_job(job.id, timeout_s=5)
        return now if now.status in ("succeeded", "failed", "cancelled") else None

    return until(look, f"{job.id} ends")


@pytest.fixture(scope="module")
def trained(provider: adapter.Bedrock) -> ProviderJob:
    return ended(provider, provider.create_job(requested(provider, "trained", n_epochs=5, learning_rate=0.00001)))


@pytest.fixture(scope="module")
def deployment(provider: adapter.Bedrock, trained: ProviderJob) -> str:
    hosting = provider.hosting
    assert hosting
    assert trained.fine_tuned_model
    made = hosting.deploy("tuneloop-local-intents-v1", trained.fine_tuned_model)
    until(lambda: (now := hosting.hosted(made.id)) and now.status == VersionStatus.READY, "it is active")
    return made.id


def test_a_job_trains_on_converted_lines_and_names_its_model(trained: ProviderJob) -> None:
    assert trained.status == "succeeded"
    assert trained.run == origin("trained").run
    assert trained.n_epochs == 5
    assert trained.trained_tokens is None
    assert trained.fine_tuned_model
    assert trained.fine_tuned_model.startswith(f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model/")


def test_the_single_turn_base_is_trained_on_prompts(provider: adapter.Bedrock) -> None:
    made = provider.create_job(requested(provider, "prompts", PROMPTS, n_epochs=10, batch_size=1))

    assert ended(provider, made).status == "succeeded"


def test_a_create_that_is_sent_again_gives_the_same_job(provider: adapter.Bedrock, trained: ProviderJob) -> None:
    again = provider.create_job(requested(provider, "trained", n_epochs=5, learning_rate=0.00001))

    assert again.id == trained.id
    assert [job.id for job in provider.find_jobs(origin("trained").run)] == [trained.id]


def test_a_job_tells_where_it_comes_from_and_a_stranger_s_is_not_asked(
    provider: adapter.Bedrock, bedrock: Bedrock, trained: ProviderJob
) -> None:
    stranger = bedrock.create("somebody-elses", f"s3://{BUCKET}/tuning/none.jsonl")

    found = {job.id: job for job in provider.jobs()}

    assert provider.origin_of(found[trained.id]) == origin("trained")
    assert found[stranger].run is None
    assert provider.origin_of(found[stranger]) is None


def test_its_steps_are_events_once_it_has_ended(provider: adapter.Bedrock, trained: ProviderJob) -> None:
    events = provider.events(trained.id, timeout_s=5)
    everything = provider.events(trained.id, timeout_s=5, whole=True)

    losses = [event.train_loss for event in everything if event.train_loss is not None]
    assert len(events) <= 100
    assert losses[-1] < losses[0]
    assert everything[-1].valid_loss is not None
    assert all((event.step is not None and event.total_steps) or event.valid_loss for event in everything)


def test_a_job_that_nobody_knows_is_not_found(provider: adapter.Bedrock, trained: ProviderJob) -> None:
    unknown = trained.id[:-12] + "0" * 12

    with pytest.raises(ProviderRefused) as refused:
        provider.get_job(unknown, timeout_s=5)

    assert refused.value.code == JOB_NOT_FOUND


def test_a_job_is_stopped_and_one_that_has_ended_stays_as_it_ended(
    provider: adapter.Bedrock, trained: ProviderJob
) -> None:
    job = provider.create_job(requested(provider, "stopped"))

    provider.cancel_job(job.id, timeout_s=5)
    provider.cancel_job(trained.id, timeout_s=5)

    assert ended(provider, job).status in ("cancelled", "succeeded")
    assert provider.get_job(trained.id, timeout_s=5).status == "succeeded"


def test_files_are_found_where_their_run_is_and_deleted_with_every_version(provider: adapter.Bedrock) -> None:
    file = TrainingFile("acme", origin("files").run, Split.TRAIN)
    assert provider.find_file(file) is None

    uri = provider.upload(file, CONVERSATIONS, BytesIO(jsonl(intents(10))))

    assert uri == f"s3://{BUCKET}/training/acme/{file.run}/train.jsonl"
    assert provider.find_file(file) == uri
    assert provider.delete_files([file]) == 1
    assert provider.delete_files([file]) == 0
    assert provider.find_file(file) is None


def test_lines_that_cannot_be_converted_refuse_the_file_before_it_is_put_anywhere(provider: adapter.Bedrock) -> None:
    file = TrainingFile("acme", origin("odd").run, Split.TRAIN)
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    odd = {"messages": [{"role": "user", "content": [image]}, {"role": "assistant", "content": "secret words"}]}

    with pytest.raises(ProviderRefused) as refused:
        provider.upload(file, CONVERSATIONS, BytesIO(jsonl([*intents(10), odd, odd])))

    assert refused.value.message.startswith("2 of 12 examples can't be had in Bedrock's format bedrock-conversation. 2")
    assert "images_and_other_parts" in refused.value.message
    assert "secret" not in refused.value.message
    assert provider.find_file(file) is None


@pytest.mark.parametrize(
    ("base", "param"), [("meta.llama3-1-8b-instruct-v1:0", "base_model"), ("nobodys.model-v1:0", "base_model")]
)
def test_a_base_that_is_billed_by_the_hour_or_unknown_is_refused(
    provider: adapter.Bedrock, base: str, param: str
) -> None:
    with pytest.raises(ProviderRefused) as refused:
        provider.upload(TrainingFile("acme", "run-x", Split.TRAIN), base, BytesIO(jsonl(intents(10))))

    assert (refused.value.code, refused.value.param) == ("not_supported", param)
    assert CONVERSATIONS in refused.value.message


def test_the_region_of_a_base_is_checked_before_anything_is_sent(
    provider: adapter.Bedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "_region", "eu-west-1")

    with pytest.raises(ProviderRefused) as refused:
        provider.upload(TrainingFile("acme", "run-x", Split.TRAIN), "amazon.nova-micro-v1:0", BytesIO())

    assert refused.value.param == "region"
    assert "us-east-1" in refused.value.message


def test_base_models_that_can_be_trained_are_listed(provider: adapter.Bedrock) -> None:
    assert [model.id for model in provider.models()] == [CONVERSATIONS, PROMPTS]


def test_a_deployment_is_one_however_often_it_is_asked_for(
    provider: adapter.Bedrock, trained: ProviderJob, deployment: str
) -> None:
    assert provider.hosting
    assert trained.fine_tuned_model
    again = provider.hosting.deploy("tuneloop-local-intents-v1", trained.fine_tuned_model)

    assert again.id == deployment
    assert again.status == VersionStatus.READY
    assert again.model == trained.fine_tuned_model


def test_a_deployment_answers_in_openai_s_shape(provider: adapter.Bedrock, deployment: str) -> None:
    answer = provider.complete({"model": deployment, "messages": ASKED, "temperature": 0, "user": "ann"}, timeout_s=5)

    assert answer.text == '{"intent": "delivery"}'
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert answer.created > 0


def test_a_stream_ends_with_its_usage(provider: adapter.Bedrock, deployment: str) -> None:
    chunks = list(provider.stream({"model": deployment, "messages": ASKED}, timeout_s=5))

    pieces = [chunk.choices[0].delta.get("content") or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == '{"intent": "delivery"}'
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage
    assert not chunks[-1].choices


def test_the_base_model_answers_too(provider: adapter.Bedrock) -> None:
    assert provider.complete({"model": CONVERSATIONS, "messages": ASKED}, timeout_s=5).choices


def test_a_deployment_that_is_gone_refuses_and_no_time_is_no_answer(provider: adapter.Bedrock, deployment: str) -> None:
    with pytest.raises(ProviderRefused):
        provider.complete({"model": deployment[:-12] + "0" * 12, "messages": ASKED}, timeout_s=5)
    with pytest.raises(ProviderUnavailable):
        provider.complete({"model": deployment, "messages": ASKED}, timeout_s=0)


def test_a_model_is_swapped_and_deleted_once_nothing_serves_it(
    provider: adapter.Bedrock, trained: ProviderJob, deployment: str
) -> None:
    hosting = provider.hosting
    assert hosting
    assert trained.fine_tuned_model
    other = ended(provider, provider.create_job(requested(provider, "other"))).fine_tuned_model
    assert other

    hosting.swap(deployment, other)
    during = hosting.hosted(deployment)
    until(lambda: (now := hosting.hosted(deployment)) and now.status == VersionStatus.READY, "the swap is over")

    assert during
    assert (during.status, during.model) == (VersionStatus.DEPLOYING, other)
    with pytest.raises(ProviderUnavailable):
        hosting.delete_model(other)
    for _ in range(2):
        hosting.undeploy(deployment)
        hosting.delete_model(other)
    assert hosting.hosted(deployment) is None
