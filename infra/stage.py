"""The stages: `local` (MiniStack on this machine, with our trainer), `prod` (an AWS account), and throw-away ones.

Two deployments differ in their stage alone. Every other name is a throw-away stage: like `prod`, but nothing is kept
when the stage is destroyed. The settings that its owner chose stand in `stages/{name}.json`, so that no later deploy
forgets them.
"""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from tuneloop.domain.core.addresses import address_fault
from tuneloop.domain.core.numbers import parse_whole
from tuneloop.domain.training.providers import LOCAL_STAGE

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"[a-z][a-z0-9-]{0,15}", re.ASCII)
# A stage `prod-x` would look like one that is kept, and the names of its resources would begin like those of `prod`.
RESERVED_PREFIXES = ("prod-", "local-")
PROVIDER_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
PYTHON = f"python3.{sys.version_info.minor}"
Architecture = Literal["arm64", "x86_64"]
ARCHITECTURES = get_args(Architecture)
# The settings that `stages/{name}.json` may have. The others are for the local stage, or say where built code lies.
SETTINGS = (
    "provider",
    "provider_base_url",
    "base_model",
    "bedrock",
    "architecture",
    "settle_s",
    "refresh_after_s",
    "unseen_after_s",
    "log_retention_days",
    "uses_bootstrap_roles",
    "enforces_ssl",
    "traces",
    "alarm_email",
    "dashboard",
)
OVERRIDABLE = (*SETTINGS, "quiet_s", "bedrock_url", "functions_root", "layer_root")
BEDROCK = "bedrock"
RETENTIONS = (1, 7, 30, 90, 365)  # days that CloudWatch can keep a log, of which it offers more
# The least and the most seconds of a setting.
SECONDS = {
    "settle_s": (1, 86_400),
    "refresh_after_s": (0, 3600),
    "unseen_after_s": (0, 43_200),  # half of the day that the sweep looks back
}
ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
KINDS = {str: "a text in quotes", int: "a whole number, without quotes", bool: "true or false, without quotes"}


@dataclass(frozen=True)
class Stage:
    """The settings of a stage: its provider, the times of the loop, and how carefully data is kept.

    Times in seconds: a dataset settles `settle_s` after its last change; a look at a run asks its provider again after
    `refresh_after_s`; the sweep collects a file that no event came for after `unseen_after_s`.
    """

    name: str
    provider: str
    provider_base_url: str
    base_model: str
    settle_s: int
    refresh_after_s: int
    unseen_after_s: int
    quiet_s: int  # longer than any function runs: after it, no reader is left of objects that nothing names any more
    log_retention_days: int
    keeps_data: bool  # table and bucket outlive the stack, and the table refuses to be deleted
    enforces_ssl: bool
    traces: bool
    bedrock_url: str = ""  # the address of the trainer's Bedrock wire on this machine; empty for AWS's own
    bedrock: bool = False  # functions may train and serve on Bedrock though another provider is the stage's own
    uses_bootstrap_roles: bool = True  # otherwise the CDK acts with the caller's own credentials
    architecture: str = "arm64"
    alarm_email: str = ""  # gets the alarms' mails once its owner has confirmed the subscription
    dashboard: bool = True
    # The API's throttle, which also bounds what a flood of calls may cost; callers above it get 429 and try again.
    requests_per_s: int = 50
    request_burst: int = 100
    functions_root: Path = ROOT / "functions"
    layer_root: Path = ROOT / "shared"

    @property
    def is_local(self) -> bool:
        """Whether this is the stage of this machine, whose interpreter has the libraries already."""
        return self.name == LOCAL_STAGE

    @property
    def is_emulated(self) -> bool:
        """Whether the stage is deployed to an emulator of AWS on this machine, where its providers may be too."""
        return self.is_local or not self.enforces_ssl

    @property
    def stack_name(self) -> str:
        """The name of the stage's CloudFormation stack."""
        return f"tuneloop-{self.name}"

    @property
    def key_parameter(self) -> str:
        """The name of the SSM SecureString with the provider's API key, which the stack does not make."""
        return f"/tuneloop/{self.name}/providers/{self.provider}/key"

    @property
    def needs_key(self) -> bool:
        """Whether the stage's provider needs an API key; Bedrock uses the account's own roles."""
        return self.provider != BEDROCK

    @property
    def trains_on_bedrock(self) -> bool:
        """Whether the stack has what training on Bedrock needs: a role for jobs, and rights to call it."""
        return self.bedrock or self.provider == BEDROCK

    @property
    def settings(self) -> str:
        """The settings that `stages/{name}.json` may have, as JSON; a deploy without the file is compared with them."""
        return json.dumps({name: getattr(self, name) for name in SETTINGS})

    @property
    def has_built_layer(self) -> bool:
        """Whether the code was built by `make layer`; otherwise only an interpreter with the libraries can run it."""
        return (self.layer_root / "libraries" / "python").is_dir()

    @property
    def layers(self) -> dict[str, Path]:
        """The layers' folders by name: the libraries, which change seldom, and our own code, which changes often."""
        if not self.has_built_layer:
            return {"Layer": self.layer_root}
        return {"Libraries": self.layer_root / "libraries", "Tuneloop": self.layer_root / "tuneloop"}

    def is_built(self, root: Path) -> bool:
        """Whether `root` is a tree that was built for Lambda, whose compiled files belong to it."""
        return self.has_built_layer and root.is_relative_to(self.layer_root)

    def name_of(self, name: str) -> str:
        """The name in AWS of a function, queue, rule, topic, alarm or log group of this stage."""
        return f"tuneloop-{self.name}-{name}"


LOCAL = Stage(
    name="local",
    provider="trainer",
    provider_base_url="http://127.0.0.1:4570/v1",
    base_model="tuneloop-linear-1",
    settle_s=2,
    refresh_after_s=1,
    unseen_after_s=5,
    quiet_s=60,
    log_retention_days=1,
    keeps_data=False,
    enforces_ssl=False,  # MiniStack speaks plain http
    traces=False,
    uses_bootstrap_roles=False,  # MiniStack's IAM refuses them
)

PROD = Stage(
    name="prod",
    provider=BEDROCK,  # every AWS account can train there, without another contract and without a key
    provider_base_url="",
    base_model="amazon.nova-micro-v1:0",
    settle_s=60,
    refresh_after_s=15,
    unseen_after_s=600,
    quiet_s=3600,
    log_retention_days=30,
    keeps_data=True,
    enforces_ssl=True,
    traces=False,  # the schedules alone would make 50,000 X-Ray traces a month, which Lambda's own log lines cover
)

THROW_AWAY = replace(PROD, name="throw-away", keeps_data=False, log_retention_days=7)


def stage_named(name: str | None, overrides: Mapping[str, str]) -> Stage:
    """The stage of this name with settings overridden by texts; ValueError for an impossible name or value."""
    stage = _default(name)
    unknown = set(overrides) - set(OVERRIDABLE)
    if unknown:
        raise ValueError(f"stage {name!r} has no setting {sorted(unknown)}; these can be set: {', '.join(OVERRIDABLE)}")
    overrides = _with_bedrock_address(overrides)
    if "provider" in overrides and not {"provider_base_url", "base_model"} <= set(overrides):
        raise ValueError(
            f"stage {name!r}: a provider comes with its own provider_base_url and base_model: set all three"
            " (bedrock has no provider_base_url: set the other two)"
        )
    kinds = get_type_hints(Stage)
    changes: dict[str, Any] = {key: _parse(key, kinds[key], text) for key, text in overrides.items()}
    stage = replace(_with_built_code(replace(stage, **changes)), **changes)
    if (fault := next(_faults(stage), None)) is not None:
        raise ValueError(f"stage {stage.name!r}: {fault}")
    return stage


def _with_bedrock_address(overrides: Mapping[str, str]) -> Mapping[str, str]:
    """The settings with an empty address where the provider is Bedrock, which is called in the stage's region."""
    return {"provider_base_url": "", **overrides} if overrides.get("provider") == BEDROCK else overrides


def settings_file(name: str) -> Path:
    """The path of a stage's settings file; TUNELOOP_STAGES names another folder than `stages/`."""
    return Path(os.environ.get("TUNELOOP_STAGES") or ROOT / "stages") / f"{name}.json"


def read_settings(name: str) -> dict[str, str]:
    """The settings in `stages/{name}.json` as texts; {} without such a file, and for the local stage.

    ValueError, with the file's name, for a file that is no JSON object of known settings of the right types.
    """
    file = settings_file(name)
    if name == LOCAL.name or not file.is_file():
        return {}
    kinds = get_type_hints(Stage)
    settings = _json_object(file)
    for key, value in settings.items():
        if key not in SETTINGS:
            raise ValueError(f"{file}: there is no setting {key!r}; it may set {', '.join(SETTINGS)}")
        if type(value) is not kinds[key]:
            raise ValueError(f"{file}: {key} is {json.dumps(value)}; it has to be {KINDS[kinds[key]]}")
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}


def _json_object(file: Path) -> dict[str, Any]:
    """The JSON object that a file holds; ValueError with file and line where it holds something else."""

    def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """The object of these pairs; ValueError for a repeated key, of which Python would silently keep the last."""
        repeated = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
        if repeated:
            raise ValueError(f"{file}: {', '.join(repeated)} stands there more than once")
        return dict(pairs)

    text = file.read_bytes().decode("utf-8-sig", errors="replace")
    try:
        content = json.loads(text or " ", object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        fault = error.msg if text.strip() else "the file is empty"
        raise ValueError(f"{file}, line {error.lineno}: {fault}; it has to be a JSON object") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file} has to be a JSON object of these settings: {', '.join(SETTINGS)}")
    return content


def built_code(architecture: str) -> Path:
    """The folder of the code that `make layer` builds for this interpreter's version and an architecture."""
    return ROOT / "build" / "layer" / f"{PYTHON}-{architecture}"


def _default(name: str | None) -> Stage:
    if not name or not NAME.fullmatch(name) or name.startswith(RESERVED_PREFIXES):
        raise ValueError(
            f"There can't be a stage {name or ''!r}: STAGE=prod, or for a throw-away stage a small letter, then "
            "at most 15 small letters, digits or hyphens, but not beginning with prod- or local-."
        )
    return {"local": LOCAL, "prod": PROD}.get(name) or replace(THROW_AWAY, name=name)


def _with_built_code(stage: Stage) -> Stage:
    built = built_code(stage.architecture)
    if stage.is_local or not built.is_dir():
        return stage
    return replace(stage, layer_root=built, functions_root=built / "functions")


def _parse(key: str, kind: type, text: str) -> Any:
    if kind is bool:
        if text not in {"true", "false"}:
            raise ValueError(f"{key} is {text!r}: it has to be true or false")
        return text == "true"
    if kind is int and parse_whole(text) is None:
        raise ValueError(f"{key} is {text!r}: it has to be a whole number")
    return kind(text)


def _faults(stage: Stage) -> Iterator[str]:
    """A sentence for each setting that can't be so, in the order in which they are best fixed."""
    if stage.architecture not in ARCHITECTURES:
        yield f"architecture is {stage.architecture!r}: it has to be {' or '.join(ARCHITECTURES)}"
    for name, (least, most) in SECONDS.items():
        if not least <= (value := getattr(stage, name)) <= most:
            yield f"{name} is {value}: it has to be between {least:,} and {most:,} seconds"
    if not stage.base_model.strip():
        yield "base_model is empty: it has to name a model of the provider"
    if stage.alarm_email and not ADDRESS.fullmatch(stage.alarm_email):
        yield f"alarm_email is {stage.alarm_email!r}: it has to be one address, like oncall@example.com"
    if not PROVIDER_NAME.fullmatch(stage.provider):
        yield f"provider is {stage.provider!r}: it has to be a short name of small letters, digits and hyphens"
    if stage.log_retention_days not in RETENTIONS:
        yield f"log_retention_days is {stage.log_retention_days}: it has to be one of {RETENTIONS}"
    yield from _address_faults(stage)
    if stage.bedrock_url and not stage.is_local:
        yield "bedrock_url is for the local stage: anywhere else Bedrock is AWS's own"
    if stage.keeps_data and not stage.enforces_ssl:
        yield "enforces_ssl can't be turned off for a stage that keeps data"


def _address_faults(stage: Stage) -> Iterator[str]:
    url = stage.provider_base_url
    if bool(url) != stage.needs_key:
        state = "is set, and bedrock has none" if url else "is empty"
        yield f"provider_base_url {state}: it is the address of a provider, and Bedrock is asked in the stage's region"
    elif stage.needs_key and (fault := address_fault(url, is_local=stage.is_emulated)):
        yield f"provider_base_url {fault}"
