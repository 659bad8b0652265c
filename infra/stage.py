"""The stages: `local` (MiniStack on this machine, trained by our trainer), `prod` (an AWS account), throw-away ones.

A stage is the whole difference between two deployments; everything else of the stack is the same. Any other name is a
throw-away stage: like `prod`, but nothing of it is kept when it goes. What its owner chose for a stage stands in
`stages/{name}.json`, so that no later deploy forgets it.
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
NOT_A_BEGINNING = (
    "prod-",
    "local-",
)  # such a stage would pass for one that is kept, and its names for those of another
PROVIDER_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
PYTHON = f"python3.{sys.version_info.minor}"
Architecture = Literal["arm64", "x86_64"]
ARCHITECTURES = get_args(Architecture)
# What `stages/{name}.json` may set; the rest says where built code lies, and comes from whoever built it.
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
RETENTIONS = (1, 7, 30, 90, 365)
SECONDS = {
    "settle_s": (1, 86_400),
    "refresh_after_s": (0, 3600),
    "unseen_after_s": (0, 43_200),  # half of the day that the sweep looks back
}
ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
KINDS = {str: "a text in quotes", int: "a whole number, without quotes", bool: "true or false, without quotes"}


@dataclass(frozen=True)
class Stage:
    """What a stage sets: who trains, how patient the loop is, and how carefully data is kept."""

    name: str
    provider: str
    provider_base_url: str
    base_model: str
    settle_s: int
    refresh_after_s: int
    unseen_after_s: int
    quiet_s: int  # beyond the life of any function: then nobody is left who read what was erased since
    log_retention_days: int
    keeps_data: bool  # deleting the stack leaves table and bucket, and the table refuses deletion
    enforces_ssl: bool
    traces: bool
    bedrock_url: str = ""  # where Bedrock's wire is spoken if not by AWS: the trainer, on this machine
    bedrock: bool = False  # its functions may train and serve there too; they may where it is the provider
    uses_bootstrap_roles: bool = True  # else the CDK acts with the caller's own credentials
    architecture: str = "arm64"
    alarm_email: str = ""  # whom the alarms write to; nobody until he confirms the subscription
    dashboard: bool = True
    requests_per_s: int = 50
    request_burst: int = 100
    functions_root: Path = ROOT / "functions"
    layer_root: Path = ROOT / "shared"

    @property
    def is_local(self) -> bool:
        """Whether it lives on this machine, in an interpreter that has its libraries already."""
        return self.name == LOCAL_STAGE

    @property
    def is_emulated(self) -> bool:
        """Whether it is deployed to an emulator of AWS on this machine, so that its providers may be there too."""
        return self.is_local or not self.enforces_ssl

    @property
    def stack_name(self) -> str:
        """The name of its CloudFormation stack."""
        return f"tuneloop-{self.name}"

    @property
    def key_parameter(self) -> str:
        """The SSM SecureString that holds the provider's API key; made by its owner or by `local`, not by the stack."""
        return f"/tuneloop/{self.name}/providers/{self.provider}/key"

    @property
    def needs_key(self) -> bool:
        """Whether its provider wants an API key; Bedrock goes by the account's own roles."""
        return self.provider != BEDROCK

    @property
    def trains_on_bedrock(self) -> bool:
        """Whether the stack has what Bedrock needs: a role for its jobs, and rights to ask it."""
        return self.bedrock or self.provider == BEDROCK

    @property
    def settings(self) -> str:
        """All that `stages/{name}.json` may set, as JSON: what a deploy from a copy without the file would forget."""
        return json.dumps({name: getattr(self, name) for name in SETTINGS})

    @property
    def has_built_layer(self) -> bool:
        """Whether its code was built (`make layer`); bare, only an interpreter that has the libraries can run it."""
        return (self.layer_root / "libraries" / "python").is_dir()

    @property
    def layers(self) -> dict[str, Path]:
        """The layers by name: libraries, which change seldom, apart from our own code, which changes often."""
        if not self.has_built_layer:
            return {"Layer": self.layer_root}
        return {"Libraries": self.layer_root / "libraries", "Tuneloop": self.layer_root / "tuneloop"}

    def is_built(self, root: Path) -> bool:
        """Whether a tree was built for Lambda, with compiled files that belong to it, and isn't a source tree."""
        return self.has_built_layer and root.is_relative_to(self.layer_root)

    def name_of(self, name: str) -> str:
        """The name in AWS of a thing of this stage: a function, queue, rule, topic, alarm or log."""
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
    uses_bootstrap_roles=False,  # MiniStack's IAM turns them down
)

PROD = Stage(
    name="prod",
    provider=BEDROCK,  # a new account can train there: nobody else's account and no key is needed
    provider_base_url="",
    base_model="amazon.nova-micro-v1:0",
    settle_s=60,
    refresh_after_s=15,
    unseen_after_s=600,
    quiet_s=3600,
    log_retention_days=30,
    keeps_data=True,
    enforces_ssl=True,
    traces=False,  # X-Ray would record each turn of each schedule, and show what Lambda's own report lines say
)

THROW_AWAY = replace(PROD, name="throw-away", keeps_data=False, log_retention_days=7)


def stage_named(name: str | None, overrides: Mapping[str, str]) -> Stage:
    """The stage called `name` with its settings overridden from text; ValueError for a name or value that can't be."""
    stage = _default(name)
    unknown = set(overrides) - set(OVERRIDABLE)
    if unknown:
        raise ValueError(f"stage {name!r} has no setting {sorted(unknown)}; these can be set: {', '.join(OVERRIDABLE)}")
    overrides = _with_its_own(overrides)
    if "provider" in overrides and not {"provider_base_url", "base_model"} <= set(overrides):
        raise ValueError(
            f"stage {name!r}: a provider comes with its own provider_base_url and base_model: set all three"
            " (bedrock has no provider_base_url: set the other two)"
        )
    kinds = get_type_hints(Stage)
    changes: dict[str, Any] = {key: _parsed(key, kinds[key], text) for key, text in overrides.items()}
    return _checked(replace(_with_built_code(replace(stage, **changes)), **changes))


def _with_its_own(overrides: Mapping[str, str]) -> Mapping[str, str]:
    """The settings with the address of a provider that has none: AWS's own, in the stage's region."""
    return {"provider_base_url": "", **overrides} if overrides.get("provider") == BEDROCK else overrides


def settings_file(name: str) -> Path:
    """Where a stage's settings stand; TUNELOOP_STAGES names another folder than `stages/`."""
    return Path(os.environ.get("TUNELOOP_STAGES") or ROOT / "stages") / f"{name}.json"


def read_settings(name: str) -> dict[str, str]:
    """What `stages/{name}.json` sets, as text; nothing where there is no such file, and for the local stage."""
    file = settings_file(name)
    if name == LOCAL.name or not file.is_file():
        return {}
    kinds = get_type_hints(Stage)
    found = _object_in(file)
    for key, value in found.items():
        if key not in SETTINGS:
            raise ValueError(f"{file}: there is no setting {key!r}; it may set {', '.join(SETTINGS)}")
        if type(value) is not kinds[key]:
            raise ValueError(f"{file}: {key} is {json.dumps(value)}; it has to be {KINDS[kinds[key]]}")
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}


def _object_in(file: Path) -> dict[str, Any]:
    """The JSON object that a file holds; ValueError with file and line where it holds something else."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """The object of these pairs; ValueError where a key stands twice, of which JSON would keep the last."""
        twice = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
        if twice:
            raise ValueError(f"{file}: {', '.join(twice)} stands there more than once")
        return dict(pairs)

    text = file.read_bytes().decode("utf-8-sig", errors="replace")
    try:
        found = json.loads(text or " ", object_pairs_hook=once)
    except json.JSONDecodeError as error:
        what = error.msg if text.strip() else "the file is empty"
        raise ValueError(f"{file}, line {error.lineno}: {what}; it has to be a JSON object") from None
    if not isinstance(found, dict):
        raise ValueError(f"{file} has to be a JSON object of these settings: {', '.join(SETTINGS)}")
    return found


def built_code(architecture: str) -> Path:
    """Where `make layer` puts what it builds for this interpreter's version and an architecture."""
    return ROOT / "build" / "layer" / f"{PYTHON}-{architecture}"


def _default(name: str | None) -> Stage:
    if not name or not NAME.fullmatch(name) or name.startswith(NOT_A_BEGINNING):
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


def _parsed(key: str, kind: type, text: str) -> Any:
    if kind is bool:
        if text not in {"true", "false"}:
            raise ValueError(f"{key} is {text!r}: it has to be true or false")
        return text == "true"
    if kind is int and parse_whole(text) is None:
        raise ValueError(f"{key} is {text!r}: it has to be a whole number")
    return kind(text)


def _checked(stage: Stage) -> Stage:
    if (wrong := next(_faults(stage), None)) is not None:
        raise ValueError(f"stage {stage.name!r}: {wrong}")
    return stage


def _faults(stage: Stage) -> Iterator[str]:
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
    yield from _faults_of_address(stage)
    if stage.bedrock_url and not stage.is_local:
        yield "bedrock_url is for the local stage: anywhere else Bedrock is AWS's own"
    if stage.keeps_data and not stage.enforces_ssl:
        yield "enforces_ssl can't be turned off for a stage that keeps data"


def _faults_of_address(stage: Stage) -> Iterator[str]:
    url = stage.provider_base_url
    if bool(url) != stage.needs_key:
        said = "is set, and bedrock has none" if url else "is empty"
        yield f"provider_base_url {said}: it is the address of a provider, and Bedrock is asked in the stage's region"
    elif stage.needs_key and (fault := address_fault(url, is_local=stage.is_emulated)):
        yield f"provider_base_url {fault}"
