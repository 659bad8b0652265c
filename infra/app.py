"""The CDK app: `cdk synth -c stage=local` or `-c stage=prod`; other settings of a stage can be passed the same way."""

from aws_cdk import App, CliCredentialsStackSynthesizer, DefaultStackSynthesizer, StackSynthesizer

from infra.stack import TuneloopStack
from infra.stage import OVERRIDABLE, Stage, stage_named


def synthesizer_for(stage: Stage) -> StackSynthesizer:
    """How the CLI acts: by the bootstrap roles, which MiniStack's IAM turns down, so with its own credentials there."""
    return CliCredentialsStackSynthesizer() if stage.name == "local" else DefaultStackSynthesizer()


def build(app: App) -> TuneloopStack:
    """Add the stack of the stage that `app`'s context names."""
    overrides = {key: value for key in OVERRIDABLE if (value := app.node.try_get_context(key)) is not None}
    stage = stage_named(app.node.try_get_context("stage"), overrides)
    return TuneloopStack(app, stage, synthesizer=synthesizer_for(stage))


if __name__ == "__main__":
    app = App()
    build(app)
    app.synth()
