"""Train, deploy, ask, swap and delete over Bedrock's wire, with unmodified boto3."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.ministack import ACCOUNT, REGION
from tests.trainer.bedrock import BUCKET, CONVERSATIONS, PROMPTS, Bedrock, conversations, prompts, refusal_of, said
from tests.trainer.trainer_process import PROMPT, TOPICS, until

LATE = "My parcel is late, says the tracking."
HYPERPARAMETERS = {"epochCount": "5", "learningRate": "0.00001"}


@pytest.fixture(scope="session")
def done(bedrock: Bedrock) -> dict[str, Any]:
    """A completed job with validation data and tags."""
    tags = [{"key": "tuneloop:run", "value": "run-1"}]
    held_out = conversations(40, seed=1)
    arn = bedrock.create("first", conversations(200), held_out, hyperParameters=HYPERPARAMETERS, jobTags=tags)
    return bedrock.ended(arn)


@pytest.fixture(scope="session")
def deployed(bedrock: Bedrock, done: dict[str, Any]) -> str:
    return bedrock.deploy("first-deployment", done["outputModelArn"])


def test_a_completed_job_says_what_it_did(done: dict[str, Any]) -> None:
    assert done["status"] == "Completed"
    assert {phase["status"] for phase in done["statusDetails"].values()} == {"Completed"}
    assert done["jobArn"].startswith(f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-customization-job/{CONVERSATIONS}/")
    assert done["hyperParameters"] == {**HYPERPARAMETERS, "learningRateWarmupSteps": "10"}
    assert 0 < done["trainingMetrics"]["trainingLoss"] < 0.5
    assert 0 < done["validationMetrics"][0]["validationLoss"] < 1
    assert done["creationTime"] <= done["endTime"]
    assert "failureMessage" not in done


def test_step_metrics_stand_where_bedrock_puts_them(bedrock: Bedrock, done: dict[str, Any]) -> None:
    folder = f"tuning/out/model-customization-job-{done['jobArn'][-12:]}"

    def table(path: str) -> list[dict[str, str]]:
        content = bedrock.s3.get_object(Bucket=BUCKET, Key=f"{folder}/{path}")["Body"].read().decode()
        return list(csv.DictReader(io.StringIO(content)))

    training = table("training_artifacts/step_wise_training_metrics.csv")
    validation = table("validation_artifacts/post_fine_tuning_validation/validation/validation_metrics.csv")
    assert list(training[0]) == ["step_number", "epoch_number", "training_loss", "perplexity"]
    assert list(validation[0]) == ["step_number", "epoch_number", "validation_loss", "perplexity"]
    assert float(training[-1]["training_loss"]) == pytest.approx(done["trainingMetrics"]["trainingLoss"])
    assert [row["epoch_number"] for row in validation] == ["0", "1", "2", "3", "4"]
    losses = [float(row["validation_loss"]) for row in validation]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(done["validationMetrics"][0]["validationLoss"])


def test_jobs_and_models_are_listed_and_tagged(bedrock: Bedrock, done: dict[str, Any]) -> None:
    jobs = bedrock.control.list_model_customization_jobs(nameContains="irs", statusEquals="Completed")
    models = bedrock.control.list_custom_models(nameContains="first")
    model = bedrock.control.get_custom_model(modelIdentifier=done["outputModelArn"])
    tags = bedrock.control.list_tags_for_resource(resourceARN=done["jobArn"])["tags"]

    assert [job["customModelArn"] for job in jobs["modelCustomizationJobSummaries"]] == [done["outputModelArn"]]
    assert [one["modelArn"] for one in models["modelSummaries"]] == [done["outputModelArn"]]
    assert (model["modelName"], model["jobArn"], model["modelStatus"]) == ("first", done["jobArn"], "Active")
    assert tags == [{"key": "tuneloop:run", "value": "run-1"}]


def test_base_models_that_can_be_customized_are_listed(make_bedrock: Callable[..., Bedrock]) -> None:
    bedrock = make_bedrock("--shutdown-date", f"{PROMPTS}=2027-01-14")

    listed = bedrock.control.list_foundation_models(byCustomizationType="FINE_TUNING")["modelSummaries"]

    assert [model["modelId"] for model in listed] == [CONVERSATIONS, PROMPTS]
    assert [model["modelLifecycle"]["status"] for model in listed] == ["ACTIVE", "LEGACY"]
    assert listed[1]["modelLifecycle"]["endOfLifeTime"].date().isoformat() == "2027-01-14"
    assert not bedrock.control.list_foundation_models(byCustomizationType="DISTILLATION")["modelSummaries"]


def test_a_deployment_answers_with_what_was_learnt(bedrock: Bedrock, deployed: str) -> None:
    answer = bedrock.runtime.converse(modelId=deployed, messages=[said(LATE)], system=[{"text": PROMPT}])

    assert answer["output"]["message"] == said('{"intent": "delivery"}', "assistant")
    assert answer["stopReason"] == "end_turn"
    used = answer["usage"]
    assert used["totalTokens"] == used["inputTokens"] + used["outputTokens"] > used["outputTokens"] > 0


def test_a_stream_says_the_same_in_pieces(bedrock: Bedrock, deployed: str) -> None:
    stream = bedrock.runtime.converse_stream(modelId=deployed, messages=[said(LATE)])["stream"]

    events = list(stream)

    kinds = [next(iter(event)) for event in events]
    text = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    assert text == '{"intent": "delivery"}'
    assert kinds.count("contentBlockDelta") > 1
    assert [kinds[0], *kinds[-3:]] == ["messageStart", "contentBlockStop", "messageStop", "metadata"]
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"
    assert events[-1]["metadata"]["usage"]["outputTokens"] > 0


def test_a_base_model_answers_without_a_deployment(bedrock: Bedrock) -> None:
    listed = f"{PROMPT}\n\nPossible answers, one per line:\n" + "\n".join(TOPICS)

    for model in (CONVERSATIONS, f"arn:aws:bedrock:{REGION}::foundation-model/{PROMPTS}"):
        assert bedrock.ask(model, "I want to cancel this", listed) == "cancel"


def test_a_text_is_cut_at_the_limit_or_at_a_stop_sequence(bedrock: Bedrock, deployed: str) -> None:
    def ends(**config: Any) -> tuple[str, str]:
        answer = bedrock.runtime.converse(modelId=deployed, messages=[said(LATE)], inferenceConfig=config)
        return answer["output"]["message"]["content"][0]["text"], answer["stopReason"]

    assert ends(maxTokens=2)[1] == "max_tokens"
    assert ends(stopSequences=["delivery"]) == ('{"intent": "', "stop_sequence")


def test_prompts_with_completions_train_the_single_turn_base(bedrock: Bedrock) -> None:
    arn = bedrock.create(
        "prompts", prompts(200), baseModelIdentifier=PROMPTS, hyperParameters={"epochCount": "10", "batchSize": "1"}
    )

    deployment = bedrock.deploy("prompts", bedrock.ended(arn)["outputModelArn"])

    assert bedrock.ask(deployment, LATE) == '{"intent": "delivery"}'


def test_a_model_that_learnt_to_call_tools_uses_them(bedrock: Bedrock) -> None:
    use = {"toolUseId": "call-1", "name": "find_parcel", "input": {"late": True}}
    calling = [
        line | {"messages": [line["messages"][0], {"role": "assistant", "content": [{"toolUse": use}]}]}
        for line in conversations(20)
    ]
    deployment = bedrock.deploy("tools", bedrock.ended(bedrock.create("tools", calling))["outputModelArn"])
    tool = {"toolSpec": {"name": "find_parcel", "inputSchema": {"json": {"type": "object"}}}}
    request: dict[str, Any] = {"modelId": deployment, "messages": [said(LATE)], "toolConfig": {"tools": [tool]}}

    answer = bedrock.runtime.converse(**request)
    events = list(bedrock.runtime.converse_stream(**request)["stream"])

    used = answer["output"]["message"]["content"][0]["toolUse"]
    assert answer["stopReason"] == "tool_use"
    assert (used["name"], used["input"]) == ("find_parcel", {"late": True})
    assert events[1]["contentBlockStart"]["start"]["toolUse"]["name"] == "find_parcel"
    assert events[2]["contentBlockDelta"]["delta"]["toolUse"]["input"] == '{"late":true}'
    result = {"toolUseId": used["toolUseId"], "content": [{"json": {"where": "in the van"}}]}
    request["messages"] += [answer["output"]["message"], {"role": "user", "content": [{"toolResult": result}]}]
    assert bedrock.runtime.converse(**request)["output"]["message"]["role"] == "assistant"


def test_a_deployment_can_be_swapped_and_deleted(bedrock: Bedrock, done: dict[str, Any]) -> None:
    lines = [line | {"messages": [line["messages"][0], said("nothing", "assistant")]} for line in conversations(20)]
    other = bedrock.ended(bedrock.create("other", lines))["outputModelArn"]
    token = "swap-token-1"
    arn = bedrock.deploy("swapped", done["outputModelArn"], clientRequestToken=token)
    again = bedrock.deploy("swapped", done["outputModelArn"], clientRequestToken=token)
    assert again == arn

    bedrock.control.update_custom_model_deployment(customModelDeploymentIdentifier=arn, modelArn=other)
    meanwhile, details = bedrock.ask(arn, LATE), bedrock.deployment(arn)["updateDetails"]
    until(lambda: bedrock.deployment(arn)["modelArn"] == other, "the swap is over")

    assert meanwhile == '{"intent": "delivery"}'
    assert details == {"modelArn": other, "updateStatus": "Updating"}
    assert bedrock.ask(arn, LATE) == "nothing"
    listed = bedrock.control.list_custom_model_deployments(modelArnEquals=other)["modelDeploymentSummaries"]
    assert [one["customModelDeploymentArn"] for one in listed] == [arn]
    with pytest.raises(ClientError) as refused:
        bedrock.control.delete_custom_model(modelIdentifier=other)
    assert refusal_of(refused.value) == ("ConflictException", 400)
    bedrock.control.delete_custom_model_deployment(customModelDeploymentIdentifier=arn)
    bedrock.control.delete_custom_model(modelIdentifier=other)
    for call in (lambda: bedrock.ask(arn, LATE), lambda: bedrock.control.get_custom_model(modelIdentifier=other)):
        with pytest.raises(ClientError) as gone:
            call()
        assert refusal_of(gone.value) == ("ResourceNotFoundException", 404)
    assert bedrock.job(bedrock.job("other")["jobArn"])["status"] == "Completed"
