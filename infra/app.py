"""The CDK app: `cdk synth -c stage=local`, `-c stage=prod`, or the name of a throw-away stage.

A stage's own settings come from `stages/{name}.json`; each can be passed as context too, which goes before the file.
"""

from collections.abc import Mapping

from aws_cdk import App, CliCredentialsStackSynthesizer, DefaultStackSynthesizer, StackSynthesizer

from infra.stack import TuneloopStack
from infra.stage import OVERRIDABLE, Stage, read_settings, stage_named


def synthesizer_for(stage: Stage) -> StackSynthesizer:
    """How the CDK acts: by the roles that `cdk bootstrap` made, or with the caller's own credentials."""
    return DefaultStackSynthesizer() if stage.uses_bootstrap_roles else CliCredentialsStackSynthesizer()


def build(app: App, settings: Mapping[str, str] | None = None) -> TuneloopStack:
    """Add the stack of the stage that `app`'s context names, with `settings` where the context has no others."""
    context = {key: value for key in OVERRIDABLE if (value := app.node.try_get_context(key)) is not None}
    stage = stage_named(app.node.try_get_context("stage"), {**(settings or {}), **context})
    return TuneloopStack(app, stage, synthesizer=synthesizer_for(stage))


if __name__ == "__main__":
    app = App()
    build(app, read_settings(app.node.try_get_context("stage") or ""))
    app.synth()
