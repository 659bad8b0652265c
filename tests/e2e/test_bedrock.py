"""The loop on Bedrock's wire, all on one deployed stack: its event, the demo's way, what must be found nowhere."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from openai import OpenAI

from infra.schedules import EVERY_5_MINUTES
from infra.stage import LOCAL
from local.demo.__main__ import run_steps
from local.demo.journey import DemoJourney
from local.demo.report import DemoReport
from local.demo.screen import Screen
from local.demo.steps import STEPS
from local.ministack import REGION
from local.stack import ROOT, LocalStack
from ops.smoke.journey import Journey
from tests.bus_listener import taken_from
from tests.e2e.canaries import TENANT, Canary, listening, plant, planted, trained
from tests.e2e.canary_search import credentials_of_functions, found_in, places
from tests.e2e.conftest import SAMPLE, Command
from tests.e2e.waits import soon
from tests.examples import chat

EVENT = ROOT / "events" / "check_status.bedrock.json"
QUIET = "1"  # seconds: how long an erasure waits for whoever may be reading


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(ROOT / "build" / "e2e-bedrock", provider="bedrock", quiet_s=QUIET) as running:
        yield running


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def bedrock(stack: LocalStack) -> Any:
    return boto3.client(
        "bedrock",
        endpoint_url=stack.trainer.bedrock_url,
        region_name=REGION,
        aws_access_key_id=stack.aws.access_key_id,
        aws_secret_access_key=stack.aws.secret_access_key,
    )


def tell(stack: LocalStack, job: str) -> None:
    """Call the deployed function with the recorded event, about this job."""
    event = json.loads(EVENT.read_text("utf-8"))
    event["resources"], event["detail"]["jobArn"] = [job], job
    answer = stack.client("lambda").invoke(FunctionName=LOCAL.name_of("check-status"), Payload=json.dumps(event))
    assert "FunctionError" not in answer, answer["Payload"].read()


def test_a_run_ends_by_the_event_that_its_job_has_ended(stack: LocalStack, clients: ExitStack, tmp_path: Path) -> None:
    journey = Journey(stack=stack, dataset="herald", tenant="herald")
    journey.make_key()
    clients.enter_context(journey.api)
    file = tmp_path / "herald.jsonl"
    lines = (chat(f"{n}: has my {('parcel', 'refund')[n % 2]} come?", ("late", "refund")[n % 2]) for n in range(60))
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    journey.api.post("/datasets", {"id": "herald", "on_drop": "collect"})
    journey.drop(file)
    journey.wait_for_drops(1, 60)
    journey.api.post("/training-runs", {"dataset": "herald"})

    def listed() -> Any:  # to list runs asks no provider; to look at one does
        return journey.api.get("/training-runs")["data"][0]

    def completed() -> bool:
        found: bool = jobs.get_model_customization_job(jobIdentifier=job)["status"] == "Completed"
        return found

    job = journey.wait_for("Submitting the run", lambda: listed()["provider_job_id"], 60)
    jobs = bedrock(stack)
    journey.wait_for("Training", completed, 120)
    before = listed()["status"]
    tell(stack, job)
    tell(stack, job)

    after = listed()
    assert before != "succeeded"
    assert (after["status"], after["version"]) == ("succeeded", 1)
    tell(stack, job[:-12] + "0" * 12)  # somebody else's
    assert listed() == after


@dataclass(kw_only=True)
class Visit(DemoJourney):
    """The demo's way round in a test, which lets go of its connections."""

    clients: ExitStack

    def openai(self) -> OpenAI:
        return self.clients.enter_context(super().openai())


def test_the_demo_closes_the_same_loop(
    stack: LocalStack, clients: ExitStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = DemoReport(tmp_path / "report.json")
    scene = Visit(stack=stack, screen=Screen(), data=SAMPLE, test=None, dataset="support", clients=clients)

    run_steps(scene, report)

    clients.enter_context(scene.api)
    assert [step["name"] for step in report.steps] == [step.name for step in STEPS]
    assert report.evaluation["tuned_accuracy"] > report.evaluation["base_accuracy"]
    [tuned, base] = report.versions
    assert ":custom-model/" in tuned["provider_model"]
    assert base["provider_model"] == "tuneloop.linear-v1:0"
    assert {row["version"]: row["calls"] for row in report.usage} == {0: 1, 1: 6}
    shown = " ".join(capsys.readouterr().out.split())
    assert "succeeded" in shown
    assert ":custom-model-deployment/" in shown
    assert "None" not in shown


def test_what_was_said_is_found_nowhere_that_it_must_not_be(stack: LocalStack) -> None:
    with ExitStack() as opened:
        canary = planted(stack, Command(stack, opened))
        url = opened.enter_context(listening(stack, canary))
        plant(canary)
        canary.secret += credentials_of_functions(stack)

        read = places(canary, taken_from(stack, url)) | at_bedrock(stack)

    assert TENANT in read["jobs at Bedrock"]
    assert "training_loss" in read["figures of jobs"]
    assert all(read.values()), "a place without any content was not looked at"
    assert found_in(canary, read) == []
    run = next(run["id"] for run in trained(canary) if run["status"] == "succeeded")
    assert canary.token in files_of(stack, run), "what is trained on lies in the bucket until it is erased"

    asked = canary.send("DELETE", f"/subjects/{canary.at('a trained subject')}")["id"]
    soon(lambda: is_erased(canary, asked))

    assert files_of(stack, run) == ""


def at_bedrock(stack: LocalStack) -> dict[str, str]:
    """All that Bedrock was told and tells of the tenant's jobs, and the figures that they left."""
    client, told = bedrock(stack), []
    for job in client.list_model_customization_jobs()["modelCustomizationJobSummaries"]:
        described = client.get_model_customization_job(jobIdentifier=job["jobArn"])
        tags = client.list_tags_for_resource(resourceARN=job["jobArn"])["tags"]
        told += [job, {**described, "ResponseMetadata": {}}, tags]
    deployments = client.list_custom_model_deployments()["modelDeploymentSummaries"]
    figures = in_bucket(stack, "training-output/")
    return {"jobs at Bedrock": json.dumps([told, deployments], default=str), "figures of jobs": figures}


def files_of(stack: LocalStack, run: str) -> str:
    return in_bucket(stack, f"training/{TENANT}/{run}/")


def in_bucket(stack: LocalStack, prefix: str) -> str:
    """Every version of everything below a prefix."""
    s3, bucket = stack.client("s3"), stack.outputs["BucketName"]
    versions = s3.list_object_versions(Bucket=bucket, Prefix=prefix).get("Versions", [])
    bodies = [
        s3.get_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])["Body"].read() for each in versions
    ]
    return b"\n".join(bodies).decode()


def is_erased(canary: Canary, erasure: str) -> bool:
    canary.stack.fire(EVERY_5_MINUTES)
    return bool(canary.send("GET", f"/erasures/{erasure}")["status"] == "done")
