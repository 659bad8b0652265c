"""The CDK app: `cdk synth -c stage=local`, `-c stage=prod`, or the name of a throw-away stage.

A stage's own settings come from `stages/{name}.json`; a setting that is passed as context goes before the file's.
"""

from collections.abc import Mapping

from aws_cdk import App, CliCredentialsStackSynthesizer, DefaultStackSynthesizer, StackSynthesizer

from infra.stack import TuneloopStack
from infra.stage import OVERRIDABLE, Stage, read_settings, stage_named


def synthesizer_for(stage: Stage) -> StackSynthesizer:
    """The synthesizer by which the CDK deploys: with the roles of `cdk bootstrap`, or with the caller's credentials."""
    return DefaultStackSynthesizer() if stage.uses_bootstrap_roles else CliCredentialsStackSynthesizer()


def build(app: App, settings: Mapping[str, str] | None = None) -> TuneloopStack:
    """Add the stack of the stage that the app's context names; settings in the context go before `settings`."""
    context = {key: value for key in OVERRIDABLE if (value := app.node.try_get_context(key)) is not None}
    stage = stage_named(app.node.try_get_context("stage"), {**(settings or {}), **context})
    return TuneloopStack(app, stage, synthesizer=synthesizer_for(stage))


if __name__ == "__main__":
    app = App()
    build(app, read_settings(app.node.try_get_context("stage") or ""))
    app.synth()
