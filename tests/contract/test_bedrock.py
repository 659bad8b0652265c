"""What Bedrock's adapter does that no other wire knows of: regions, formats of lines, versions of files, ARNs."""

from io import BytesIO
from typing import Any

import pytest

from local.ministack import ACCOUNT, REGION
from tests.contract.conftest import Wire
from tests.contract.lines import LINES
from tests.examples import chat
from tests.trainer.bedrock import BUCKET, CONVERSATIONS, PROMPTS, Bedrock
from tests.trainer.trainer_process import jsonl
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import ProviderRefused
from tuneloop.domain.training.jobs import ProviderJob
from tuneloop.providers.port import ProviderJobRequest

pytestmark = pytest.mark.parametrize("wire", ["bedrock"], indirect=True)
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
SECRET = "secret words"


def test_a_trained_model_is_named_by_its_arn_in_the_stage_s_region(trained: ProviderJob) -> None:
    assert trained.fine_tuned_model
    assert trained.fine_tuned_model.startswith(f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model/")


def test_base_models_that_can_be_trained_are_listed_and_no_others(wire: Wire) -> None:
    assert [model.id for model in wire.provider.models()] == [CONVERSATIONS, PROMPTS]


@pytest.mark.parametrize(
    ("model", "verdict"),
    [
        (CONVERSATIONS, True),
        (f"arn:aws:bedrock:{REGION}::foundation-model/{CONVERSATIONS}", True),
        (f"arn:aws:bedrock:{REGION}::foundation-model/nobodys.model-v1:0", False),
        (f"us.{CONVERSATIONS}", None),
        (f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/us.{CONVERSATIONS}", None),
        (f"arn:aws:bedrock:{REGION}:{ACCOUNT}:application-inference-profile/abc", None),
        (f"arn:aws:bedrock:{REGION}:{ACCOUNT}:imported-model/abc", None),
        (f"arn:aws:bedrock:{REGION}:{ACCOUNT}:provisioned-model/abc", None),
        (f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model-deployment/abcdefghijkl", False),
        ("gpt-4o", False),
        ("arn:", False),
    ],
)
def test_what_converse_takes_is_told_by_its_name(model: str, verdict: bool | None, wire: Wire) -> None:
    assert wire.provider.has_model(model, 10) is verdict


def test_the_single_turn_base_is_trained_on_prompts(wire: Wire) -> None:
    run = wire.origin("prompts").run
    lines = jsonl(chat(f"Where is parcel {n}?", "late") for n in range(20))
    file = wire.provider.upload(wire.file("prompts"), PROMPTS, BytesIO(lines))
    chosen = {"n_epochs": 10, "batch_size": 1}

    made = wire.provider.create_job(
        ProviderJobRequest(
            origin=wire.origin("prompts"), base_model=PROMPTS, training_file=file, hyperparameters=chosen
        )
    )

    assert made.run == run
    assert wire.ended(made).status == "succeeded"


def test_a_run_s_files_lie_below_its_own_folder_and_go_with_every_version(wire: Wire, bedrock: Bedrock) -> None:
    file = wire.file("versions")
    folder = f"training/acme/{file.run}/"
    uris = {wire.uploaded("versions"), wire.uploaded("versions")}
    before = bedrock.s3.list_object_versions(Bucket=BUCKET, Prefix=folder)["Versions"]

    wire.provider.delete_files([file])

    assert uris == {f"s3://{BUCKET}/{folder}train.jsonl"}
    assert len(before) == 2
    after = bedrock.s3.list_object_versions(Bucket=BUCKET, Prefix=folder)
    assert not after.get("Versions")
    assert not after.get("DeleteMarkers")


def test_lines_that_cannot_be_converted_refuse_the_file_before_any_upload(wire: Wire) -> None:
    odd: dict[str, Any] = {"messages": [{"role": "user", "content": [IMAGE]}, {"role": "assistant", "content": SECRET}]}

    with pytest.raises(ProviderRefused) as refused:
        wire.provider.upload(wire.file("odd"), CONVERSATIONS, BytesIO(LINES + jsonl([odd, odd])))

    assert refused.value.message.startswith("2 of 42 examples can't be had in Bedrock's format bedrock-conversation. 2")
    assert "images_and_other_parts" in refused.value.message
    assert SECRET not in refused.value.message
    assert wire.provider.find_file(wire.file("odd", Split.TRAIN)) is None


@pytest.mark.parametrize("base", ["meta.llama3-1-8b-instruct-v1:0", "nobodys.model-v1:0"])
def test_a_base_that_is_billed_by_the_hour_or_unknown_is_refused(wire: Wire, base: str) -> None:
    with pytest.raises(ProviderRefused) as refused:
        wire.provider.upload(wire.file("by-the-hour"), base, BytesIO(LINES))

    assert (refused.value.code, refused.value.param) == ("not_supported", "base_model")
    assert CONVERSATIONS in refused.value.message


def test_the_region_of_a_base_is_checked_before_anything_is_sent(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire.provider, "_region", "eu-west-1")

    with pytest.raises(ProviderRefused) as refused:
        wire.provider.upload(wire.file("elsewhere"), "amazon.nova-micro-v1:0", BytesIO())

    assert refused.value.param == "region"
    assert "us-east-1" in refused.value.message
