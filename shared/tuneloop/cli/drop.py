"""`tuneloop drop`: a file into the bucket, from where the loop takes it up by itself."""

from pathlib import Path
from typing import Annotated

import boto3
import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from tuneloop.cli.stage import StageOption, bucket, tenants
from tuneloop.domain.chat.examples import Split
from tuneloop.domain.core.errors import NotFound
from tuneloop.domain.datasets.drop_paths import parse_drop_path

FileArgument = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="JSONL or CSV, or packed as .gz, .zst.")
]
SplitOption = Annotated[Split | None, typer.Option(help="Put every line into this split instead of dividing them.")]


def drop(tenant: str, dataset: str, file: FileArgument, split: SplitOption = None, stage: StageOption = "prod") -> None:
    """Drop FILE into DATASET of TENANT; the dataset and its model are made if need be."""
    key = "/".join(part for part in ("incoming", tenant, dataset, split and split.value, file.name) if part)
    parse_drop_path(key)
    if not tenants(stage).exists(tenant):
        raise NotFound(f"There is no tenant {tenant}: `tuneloop keys create {tenant}` makes it.", param="tenant")
    upload(file, bucket(stage), key)
    Console(soft_wrap=True, emoji=False).print(
        f"Dropped {file.name} ({decimal(file.stat().st_size)}) as {key}", highlight=False
    )
    typer.echo(f"What becomes of it: tuneloop drops list {dataset}")


def upload(file: Path, bucket_name: str, key: str) -> None:
    """Send a file to the bucket, with a progress bar on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, transient=True, console=Console(stderr=True)) as progress:
        task = progress.add_task(file.name, total=file.stat().st_size)
        client = boto3.client("s3")
        client.upload_file(str(file), bucket_name, key, Callback=lambda sent: progress.advance(task, sent))
