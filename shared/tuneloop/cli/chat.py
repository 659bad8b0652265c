"""`tuneloop chat`: asks a model one question with OpenAI's client, as any app would."""

from typing import Annotated

import typer
from rich.console import Console

from tuneloop.cli.api import ApiRefusal, base_url, required_variable

UserOption = Annotated[str | None, typer.Option(help="The user who asks, which decides between stable and candidate.")]


def chat(model: str, message: str, user: UserOption = None) -> None:
    """Ask MODEL one question, and show which version answered."""
    # A fifth of what every command takes to start, and only this one needs it.
    from openai import APIConnectionError, APIStatusError, OpenAI  # noqa: PLC0415 - see above

    client = OpenAI(base_url=base_url(), api_key=required_variable("TUNELOOP_API_KEY"))
    extra = {"user": user} if user else {}
    try:
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": message}], **extra)  # type: ignore[call-overload]
    except APIConnectionError as error:
        raise ApiRefusal(f"{client.base_url} can't be reached.", code="unreachable") from error
    except APIStatusError as error:
        refusal = error.body.get("message") if isinstance(error.body, dict) else None
        raise ApiRefusal(refusal or error.message, code=error.code or f"http_{error.status_code}") from error
    typer.echo(answer.choices[0].message.content)
    served_by = answer.model_extra["tuneloop"]
    kind = "fine-tuned" if served_by["is_finetuned"] else "base model"
    fallback = ", standing in for one that could not answer" if served_by["fallback"] else ""
    line = f"version {served_by['version']} ({kind}), {served_by['arm']}{fallback}: {answer.model}"
    Console(stderr=True, emoji=False).print(line, style="dim", highlight=False)
