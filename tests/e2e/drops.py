"""Drops on the deployed stack: a file that is put into its bucket, and what its dataset says of those that came."""

from datetime import datetime
from typing import Any

from tests.e2e.conftest import Command
from tests.e2e.waits import soon


def put(command: Command, key: str, content: bytes) -> datetime:
    """Put a file into the data bucket; gives the time that its sweep counts from."""
    s3, bucket = command.stack.client("s3"), command.stack.outputs["BucketName"]
    s3.put_object(Bucket=bucket, Key=key, Body=content)
    modified: datetime = s3.head_object(Bucket=bucket, Key=key)["LastModified"]
    return modified


def drops(command: Command, dataset: str) -> list[dict[str, Any]]:
    """The drops of a dataset, none where there is no such dataset yet."""
    names = [found["id"] for found in command.api.get("/datasets")["data"]]
    found: list[dict[str, Any]] = (
        command.api.get(f"/datasets/{dataset}/drops", limit=100)["data"] if dataset in names else []
    )
    return found


def collected(command: Command, dataset: str, number: int = 1) -> list[dict[str, Any]]:
    """A dataset's drops, once there are so many and each has ended."""

    def look() -> list[dict[str, Any]]:
        found = drops(command, dataset)
        return found if len([drop for drop in found if drop["status"] != "reading"]) == number else []

    ended: list[dict[str, Any]] = soon(look)
    return ended
