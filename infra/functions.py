"""The table of functions: what wakes each function, and exactly what it may touch.

The table is plain data: the stack grants these rights and no others, tests compare the template with it, and the README
prints it. The rights on a function's log group and on what its trigger needs (queue, stream) come with every row. A
transaction needs the rights of the actions in it. `reads`, `writes`, `lists` and `deletes` are object prefixes in the
data bucket; a write may also be limited to one file of each export.
"""

from dataclasses import dataclass
from typing import Literal

from infra.schedules import DAILY, EVERY_5_MINUTES, MONTHLY, Schedule

TableAction = Literal["GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"]
Index = Literal["sweep", "by_time"]
Prefix = Literal["incoming/", "posted/", "datasets/", "exports/", "evaluations/"]
# A pattern of IAM for files below a prefix; its `*` stands for any text, slashes included.
FilePattern = Literal["exports/*/fingerprints.bin"]
BedrockPrefix = Literal["training/", "training-output/"]
BedrockAction = Literal[
    "CreateModelCustomizationJob", "GetModelCustomizationJob", "StopModelCustomizationJob",
    "ListModelCustomizationJobs", "ListFoundationModels", "TagResource", "ListTagsForResource",
    "CreateCustomModelDeployment", "GetCustomModelDeployment", "UpdateCustomModelDeployment",
    "DeleteCustomModelDeployment", "DeleteCustomModel", "InvokeModel",
]  # fmt: skip
QueueName = Literal["examples", "usage"]
Setting = Literal["provider", "base_model", "settle_s", "refresh_after_s", "unseen_after_s", "quiet_s"]


@dataclass(frozen=True)
class OnBedrock:
    """The rights and triggers that a row's function has in a stage that trains on Bedrock, and in no other."""

    actions: tuple[BedrockAction, ...] = ()
    passes_role: bool = False  # may pass on the role by which jobs read and write the data bucket
    hears_jobs: bool = False  # is woken when a job changes its state
    reads: tuple[BedrockPrefix, ...] = ()
    writes: tuple[BedrockPrefix, ...] = ()
    deletes: tuple[BedrockPrefix, ...] = ()


@dataclass(frozen=True)
class FunctionSpec:
    """One row of the table: a function's name, its purpose in a sentence, its triggers, rights and size."""

    name: str
    purpose: str
    routes: tuple[str, ...] = ()
    unknown_routes: bool = False  # answers requests that match no route, so that their refusal has our shape too
    events: tuple[str, ...] = ()
    drops: Prefix | None = None
    queue: QueueName | None = None
    stream: bool = False
    schedules: tuple[Schedule, ...] = ()
    table: tuple[TableAction, ...] = ()
    indexes: tuple[Index, ...] = ()
    reads: tuple[Prefix, ...] = ()
    writes: tuple[Prefix | FilePattern, ...] = ()
    lists: Prefix | None = None
    deletes: tuple[
        Prefix, ...
    ] = ()  # lists objects' versions there and deletes them for good; only one function has this right
    sends: tuple[QueueName, ...] = ()
    watches: tuple[QueueName, ...] = ()  # may read how many messages wait there
    provider_key: bool = False
    webhook_secrets: bool = False
    bedrock: OnBedrock = OnBedrock()
    publishes: bool = False
    settings: tuple[Setting, ...] = ()  # settings of the stage, besides the names of table, bucket and queues
    # An HTTP API waits 30 s, so a longer answer would be paid for and reach nobody. A function without routes, or with
    # work that an event starts, has up to Lambda's 900 s.
    timeout_s: int = 29
    # Lambda gives processor time by memory: 1,769 MB are one whole processor (AWS Lambda, read 2026-11). Functions that
    # read segments or training files have 1,024 MB or more, the others half of that.
    memory_mb: int = 512
    # The size of /tmp, where files larger than memory are written. Lambda gives 512 without charge and at most 10,240.
    disk_mb: int = 512

    @property
    def package(self) -> str:
        """The name of the function's folder in `functions/`, which is also its import name."""
        return self.name.replace("-", "_")

    @property
    def construct_id(self) -> str:
        """The function's name in the CDK's tree and in the stack's outputs, like `CollectExamples`."""
        return self.name.title().replace("-", "")

    @property
    def touches_objects(self) -> bool:
        """Whether the function reads or writes objects in every stage, and so is given the bucket's name."""
        return bool(self.drops or self.reads or self.writes)

    @property
    def listed(self) -> tuple[Prefix, ...]:
        """The prefixes in which the function may list objects' versions."""
        return (*((self.lists,) if self.lists else ()), *self.deletes)

    @property
    def endpoints(self) -> tuple[tuple[str, str], ...]:
        """Every (method, path) pair of `routes`, whose entries may name several methods before one path."""
        rows = (route.split() for route in self.routes)
        return tuple((method, path) for *methods, path in rows for method in methods)

    @property
    def gateway_routes(self) -> tuple[tuple[str, str], ...]:
        """`endpoints` for API Gateway, which decodes a path before matching it, so that a subject may have slashes."""
        return tuple((method, path.replace("{subject}", "{subject+}")) for method, path in self.endpoints)

    @property
    def is_asynchronous(self) -> bool:
        """Whether EventBridge wakes the function: then nobody waits for its answer, and a failure has to be kept."""
        return bool(self.events or self.drops or self.schedules)


def objects_at(place: str) -> str:
    """The end of the ARN for a right's objects: all below a prefix, or the files of a pattern."""
    return f"{place}*" if place.endswith("/") else place


# fmt: off
FUNCTIONS: tuple[FunctionSpec, ...] = (
    FunctionSpec("collect-examples", "Turn dropped files into segments, and write down what is posted.",
        routes=("POST GET /v1/datasets", "GET PATCH /v1/datasets/{dataset}", "GET /v1/datasets/{dataset}/drops",
                "GET /v1/datasets/{dataset}/drops/{drop}",
                "POST /v1/datasets/{dataset}/examples", "POST /v1/datasets/{dataset}/uploads",
                "POST GET /v1/files", "GET DELETE /v1/files/{file}", "GET /v1/files/{file}/content"),
        events=("TrainingRunFinished",), drops="incoming/", schedules=(EVERY_5_MINUTES,),
        table=("GetItem", "Query", "PutItem"), indexes=("sweep", "by_time"),
        reads=("incoming/", "datasets/"), writes=("datasets/", "incoming/", "posted/"), lists="incoming/",
        sends=("examples",), watches=("examples",),
        settings=("provider", "base_model", "settle_s", "unseen_after_s"), timeout_s=300, memory_mb=1024),

    # The time-out decides how long a post waits whose reader was killed: SQS delivers it again after six time-outs.
    # 1,769 MB are one whole processor, on which `DELIVERY_BYTES` was measured.
    FunctionSpec("collect-posts", "Turn posted examples into segments, judge feedback, settle what has become quiet.",
        queue="examples",
        table=("GetItem", "Query", "PutItem"), indexes=("sweep",),
        reads=("posted/",), writes=("datasets/",), sends=("examples",), settings=("settle_s",), memory_mb=1769),

    FunctionSpec("export-data", "Freeze a dataset into train, validation and test files, and say what they would cost.",
        routes=("POST GET /v1/datasets/{dataset}/exports", "GET /v1/datasets/{dataset}/exports/{export}",
                "GET /v1/datasets/{dataset}/estimate"),
        events=("DatasetSettled", "TrainingRunRequested"),
        table=("GetItem", "Query", "PutItem"), indexes=("by_time",),
        reads=("datasets/", "exports/"), writes=("exports/",), settings=("provider",),
        timeout_s=300, memory_mb=1024, disk_mb=10_240),

    FunctionSpec("review-examples", "Find examples, decide on them, and count what there is.",
        routes=("GET /v1/datasets/{dataset}/examples", "GET /v1/datasets/{dataset}/examples/{example}",
                "POST /v1/datasets/{dataset}/reviews", "GET /v1/datasets/{dataset}/statistics",
                "GET /v1/datasets/{dataset}/eligibility"),
        table=("GetItem", "Query", "PutItem"), indexes=("by_time",), reads=("datasets/", "exports/"), memory_mb=1769,
        disk_mb=10_240),

    FunctionSpec("erase-examples", "Take what is erased out of all that holds it; merge a dataset's many segments.",
        routes=("DELETE /v1/datasets/{dataset}/examples/{example}", "DELETE /v1/subjects/{subject}",
                "POST GET /v1/erasures", "GET /v1/erasures/{erasure}"),
        schedules=(EVERY_5_MINUTES,),
        table=("GetItem", "Query", "PutItem", "DeleteItem"), indexes=("sweep", "by_time"),
        reads=("datasets/", "exports/"), writes=("datasets/", "exports/"),
        deletes=("datasets/", "exports/", "evaluations/"),
        provider_key=True, bedrock=OnBedrock(deletes=("training/",)),
        settings=("provider", "quiet_s"), timeout_s=900, memory_mb=1024, disk_mb=10_240),

    FunctionSpec("launch-finetune", "Start one training run at the provider for an export, never two.",
        routes=("GET /v1/base-models", "POST GET /v1/training-runs", "POST /v1/training-runs/{run}/confirm",
                "POST /v1/training-runs/{run}/cancel", "POST /v1/training-runs/{run}/retry", "GET /v1/budget",
                "POST GET /v1/fine_tuning/jobs", "POST /v1/fine_tuning/jobs/{job}/cancel"),
        events=("DatasetSettled", "ExportCreated", "TrainingRunRequested"), schedules=(MONTHLY, EVERY_5_MINUTES),
        table=("GetItem", "Query", "PutItem", "UpdateItem"), indexes=("sweep", "by_time"),
        reads=("exports/",), provider_key=True,
        bedrock=OnBedrock(("CreateModelCustomizationJob", "TagResource", "GetModelCustomizationJob",
                           "ListModelCustomizationJobs", "StopModelCustomizationJob", "ListFoundationModels"),
                          passes_role=True, reads=("training/",), writes=("training/",)),
        settings=("provider", "base_model"), timeout_s=300, memory_mb=1024, disk_mb=10_240),

    FunctionSpec("check-status", "Ask the provider about open training runs and record what changed.",
        routes=("GET /v1/training-runs/{run}", "GET /v1/training-runs/{run}/events",
                "GET /v1/fine_tuning/jobs/{job}", "GET /v1/fine_tuning/jobs/{job}/events",
                "GET /v1/fine_tuning/jobs/{job}/checkpoints", "POST /v1/webhooks/{provider}"),
        events=("VersionVerificationRequested",), webhook_secrets=True, schedules=(EVERY_5_MINUTES, DAILY),
        table=("GetItem", "Query", "PutItem", "UpdateItem"), indexes=("sweep",),
        provider_key=True,
        bedrock=OnBedrock(("GetModelCustomizationJob", "ListModelCustomizationJobs", "StopModelCustomizationJob",
                           "ListTagsForResource", "CreateCustomModelDeployment", "GetCustomModelDeployment",
                           "UpdateCustomModelDeployment", "DeleteCustomModelDeployment", "DeleteCustomModel",
                           "ListFoundationModels"), hears_jobs=True, reads=("training-output/",)),
        settings=("provider", "refresh_after_s"), timeout_s=60),

    FunctionSpec("evaluate", "Compare versions on the same held-out examples.",
        routes=("POST GET /v1/evaluations", "GET /v1/evaluations/{evaluation}"),
        events=("VersionReady", "EvaluationRequested"), schedules=(EVERY_5_MINUTES,),
        table=("GetItem", "Query", "PutItem"), indexes=("sweep", "by_time"),
        reads=("datasets/", "exports/", "evaluations/"), writes=("exports/*/fingerprints.bin", "evaluations/"),
        provider_key=True, bedrock=OnBedrock(("InvokeModel",)),
        settings=("provider",), timeout_s=900, memory_mb=1024, disk_mb=10_240),

    FunctionSpec("activate-model", "Decide which version of a model serves whom, and record why.",
        routes=("POST /v1/models", "POST GET /v1/models/{model}/versions",
                "DELETE /v1/models/{model}/versions/{number}", "POST /v1/models/{model}/versions/{number}/deploy",
                "GET PUT /v1/models/{model}/deployment",
                "POST /v1/models/{model}/activate", "POST /v1/models/{model}/deactivate",
                "POST /v1/models/{model}/rollback", "POST /v1/models/{model}/resume",
                "GET /v1/models/{model}/history"),
        events=("EvaluationCompleted",),
        table=("GetItem", "Query", "PutItem"), settings=("provider", "base_model")),

    FunctionSpec("complete-chat", "Answer chat completions with the version that serves this user.",
        routes=("GET /v1/models", "GET /v1/models/{model}", "POST /v1/chat/completions",
                "GET /v1/models/{model}/route"), unknown_routes=True,
        table=("GetItem", "Query"), sends=("usage",), provider_key=True, bedrock=OnBedrock(("InvokeModel",)),
        settings=("provider",)),

    FunctionSpec("record-usage", "Count calls, tokens, dollars and feedback per version and day.",
        routes=("GET /v1/usage", "POST /v1/feedback"), queue="usage",
        table=("GetItem", "Query", "PutItem", "UpdateItem"), writes=("posted/",), sends=("examples",)),

    FunctionSpec("relay-events", "Carry domain events from the table's stream to the bus.",
        stream=True, schedules=(EVERY_5_MINUTES,),
        table=("UpdateItem",), indexes=("sweep",), publishes=True, timeout_s=60),
)
# fmt: on
