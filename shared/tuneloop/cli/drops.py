"""`tuneloop drop` and `tuneloop drops`: puts a file into the bucket, and shows how dropped files were collected.

Dropping files and listing refused ones needs AWS credentials; everything else goes through the API.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer
from rich.console import Console
from rich.filesize import decimal
from rich.padding import Padding
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Column, Table
from rich.text import Text

from tuneloop.cli.api import ApiClient
from tuneloop.cli.stage import StageOption, bucket, datasets, tenants
from tuneloop.cli.terminal import table_console, whole_option
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.datasets.drops import parse_drop_path

# Per drop in a list of drops, to keep it readable; `drops show` lists all that are kept.
PROBLEMS_SHOWN = 3
COLOURS = {"collected": "green", "reading": "yellow", "rejected": "red", "failed": "red"}
commands = typer.Typer(no_args_is_help=True)
FileArgument = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="JSONL or CSV, also compressed (.gz, .zst).")
]
SplitOption = Annotated[Split | None, typer.Option(help="Put all lines into this split, instead of dividing them.")]
DatasetArgument = Annotated[str, typer.Argument(help="The dataset into which it was dropped.")]
LimitOption = Annotated[int, whole_option(1, 100, "Number of drops, newest first.")]


def drop(tenant: str, dataset: str, file: FileArgument, split: SplitOption = None, stage: StageOption = "prod") -> None:
    """Drop FILE into DATASET of TENANT; the dataset and its model are created if they don't exist."""
    key = "/".join(part for part in ("incoming", tenant, dataset, split and split.value, file.name) if part)
    parse_drop_path(key)
    if not tenants(stage).exists(tenant):
        raise NotFound(f"There is no tenant {tenant}: `tuneloop keys create {tenant}` creates it.", param="tenant")
    _upload(file, bucket(stage), key)
    Console(soft_wrap=True, emoji=False).print(
        f"Dropped {file.name} ({decimal(file.stat().st_size)}) as {key}", highlight=False
    )
    typer.echo(f"What becomes of it: tuneloop drops list {dataset}")


@commands.callback()
def group() -> None:
    """Dropped files, and how they were collected."""


@commands.command("list")
def list_drops(dataset: DatasetArgument, limit: LimitOption = 10) -> None:
    """List a dataset's drops, newest first, with their first problems; by TUNELOOP_BASE_URL and TUNELOOP_API_KEY."""
    with ApiClient.from_environment() as api:
        drops = api.get(f"/datasets/{dataset}/drops", limit=limit)["data"]
    if not drops:
        typer.echo(f"{dataset} has no drops yet; a drop is listed within seconds after its file arrived.")
    for drop in drops:
        table_console().print(_headline(drop))
        if drop["problems"]:
            table_console().print(Padding(_problems(drop), (0, 0, 0, 4)))


@commands.command()
def show(dataset: DatasetArgument, drop: Annotated[str, typer.Argument(help="The drop's id.")]) -> None:
    """Show one drop as JSON, with all of its problems that are kept."""
    with ApiClient.from_environment() as api:
        Console().print_json(json.dumps(api.get(f"/datasets/{dataset}/drops/{drop}")))


@commands.command("refused")
def list_refused(stage: StageOption = "prod") -> None:
    """List the files of the last 30 days that weren't read, as their path names no known tenant or no dataset."""
    refused_drops = datasets(stage).refused_drops()
    if not refused_drops:
        typer.echo("No refused drops.")
    for refused in refused_drops:
        head = f"{refused.created_at:%Y-%m-%d %H:%M}  {refused.code}  {_name(refused.object)}"
        typer.echo(f"{head}\n    {refused.message}")


def _upload(file: Path, bucket_name: str, key: str) -> None:
    """Upload a file to the bucket, with a progress bar if this is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, transient=True, console=Console(stderr=True)) as progress:
        task = progress.add_task(file.name, total=file.stat().st_size)
        client = boto3.client("s3")
        client.upload_file(str(file), bucket_name, key, Callback=lambda sent: progress.advance(task, sent))


def _headline(drop: dict[str, Any]) -> Text:
    status = drop["status"]
    figures = f"{drop['lines']:,} lines, {drop['examples']:,} examples, {drop['problem_count']:,} problems"
    return Text.assemble(
        f"{drop['created_at'][:16].replace('T', ' ')}  {drop['id']}  {_name(drop['object'])}  ",
        (status, COLOURS.get(status, "")),
        f"  {figures}",
    )


def _problems(drop: dict[str, Any]) -> Table:
    table = Table(Column("line", justify="right", no_wrap=True), "", box=None, show_header=False)
    for problem in drop["problems"][:PROBLEMS_SHOWN]:
        text = Text.assemble((problem["code"], "red"), f"  {problem['message']} ({problem['path']})")
        table.add_row(f"line {problem['line']:,}", text)
    if (hidden := drop["problem_count"] - PROBLEMS_SHOWN) > 0:
        table.add_row("", f"{hidden:,} more: tuneloop drops show {drop['dataset']} {drop['id']}")
    return table


def _name(name: str) -> str:
    """An object's name, written as JSON if it has characters that would move a terminal's cursor."""
    return name if name.isprintable() else json.dumps(name)
