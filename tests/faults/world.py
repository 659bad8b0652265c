"""The stage under faults: MiniStack for AWS, the real trainer on a wire, and tenants that are copies of one before.

A copy costs a few rows and objects, so each of hundreds of scenarios has a tenant, a dataset and a run of its own.
"""

import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from infra.functions import FUNCTIONS
from local.ministack import Aws, start_ministack
from local.trainer import START_TIMEOUT_S, Trainer, start_trainer
from tests.faults.provider import Left, Wire, charge
from tests.world import BUCKET, ENVIRONMENT, TABLE, build_stage
from tuneloop.app import app
from tuneloop.domain.core.access import Scope
from tuneloop.domain.datasets.policy import DEFAULT
from tuneloop.domain.exports.exports import export_id
from tuneloop.providers.catalog import _catalog as listed
from tuneloop.store.dynamodb import Table
from tuneloop.store.repositories.api_keys import create_key
from tuneloop.store.repositories.tenants import Tenants

DATASET = "support"


class Kept(NamedTuple):
    """A tenant's rows and objects, as they were at a moment."""

    tenant: str
    rows: list[dict[str, Any]]
    objects: list[str]


class Ground:
    """The table and the bucket beneath the functions, by connections of our own."""

    def __init__(self, aws: Aws, trainer: Trainer, wire: Wire) -> None:
        self.dynamodb, self.s3 = aws.client("dynamodb"), aws.client("s3")
        self._aws, self._trainer, self._wire = aws, trainer, wire

    def left(self, runs: set[str]) -> Left:
        """What runs have at their provider."""
        return self._wire.left(self._aws, self._trainer, runs)

    def rows(self, tenant: str) -> list[dict[str, Any]]:
        """All rows that name a tenant."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=TABLE)
        mine = f'"{tenant}"', f"#{tenant}#"
        found = [row for page in pages for row in page["Items"]]
        return [row for row in found if any(name in json.dumps(row) for name in mine)]

    def kept(self, tenant: str) -> Kept:
        """A tenant as it is now."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        rows = [
            row for row in self.rows(tenant) if not row["pk"]["S"].startswith("KEY#") and "#KEYS" not in row["pk"]["S"]
        ]
        return Kept(tenant, rows, [key for key in keys if f"/{tenant}/" in key])

    def key(self, tenant: str) -> str:
        """A new key of a tenant that may do everything; the tenant is made if need be."""
        tenants = Tenants(Table(self.dynamodb, TABLE))
        return create_key(tenant, frozenset(Scope), tenants=tenants, now=datetime.now(UTC)).secret

    def copied(self, kept: Kept, tenant: str) -> None:
        """Make a tenant that is like another was."""
        old, new = (export_id(name, DATASET, 1, DEFAULT) for name in (kept.tenant, tenant))

        def renamed(text: str) -> str:
            return text.replace(old, new).replace(kept.tenant, tenant)

        for key in kept.objects:
            self.s3.copy_object(Bucket=BUCKET, Key=renamed(key), CopySource={"Bucket": BUCKET, "Key": key})
        for row in kept.rows:
            self.dynamodb.put_item(TableName=TABLE, Item=json.loads(renamed(json.dumps(row))))

    def forget(self, tenant: str) -> None:
        """Delete a tenant's rows, so that the table stays small."""
        for row in self.rows(tenant):
            self.dynamodb.delete_item(TableName=TABLE, Key={name: row[name] for name in ("pk", "sk")})


@contextmanager
def ground(directory: Path, wire: Wire) -> Iterator[Ground]:
    """A stage below `directory` with the provider on a wire, this process set up to fork functions that reach it."""
    aws, ministack = start_ministack(directory)
    trainer, trainer_process = start_trainer(directory, aws.environment())
    before = dict(os.environ)
    boto3.DEFAULT_SESSION = None  # which may be signed in for another test
    try:
        os.environ.update(ENVIRONMENT | aws.environment())
        os.environ["FAULTS_LOG"] = str(directory / "logs" / "functions.log")
        os.environ |= build_stage()
        os.environ |= wire.settings(aws, trainer)
        trainer_process.wait_until(trainer.is_ready, START_TIMEOUT_S)
        app.__dict__.clear()
        charge(*wire.prices)
        app.providers.get(app.settings.provider).prepare()
        app.__dict__.pop("_ssm", None)  # its connection must not be shared by what is forked from here
        for spec in FUNCTIONS:
            importlib.import_module(f"{spec.package}.handler")
        for store in ("table", "objects", "bus", "examples_queue", "usage_queue"):
            getattr(app, store)  # made, and not used here: each process that is forked connects by itself
        yield Ground(aws, trainer, wire)
    finally:
        listed.cache_clear()
        ministack.stop()
        trainer_process.stop()
        app.__dict__.clear()
        boto3.DEFAULT_SESSION = None
        os.environ.clear()
        os.environ |= before
