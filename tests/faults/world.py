"""The stage under faults: MiniStack for AWS, the real trainer, and tenants that are copies of one prepared before.

A copy costs a few rows and objects, so each of hundreds of scenarios has a tenant, a dataset and a run of its own.
"""

import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from openai import OpenAI

from infra.functions import FUNCTIONS
from local.ministack import Aws, start_ministack
from local.trainer import START_TIMEOUT_S, Trainer, start_trainer
from tests.world import BUCKET, ENVIRONMENT, TABLE, build_stage
from tuneloop.app import app
from tuneloop.domain.access import Scope
from tuneloop.domain.exports import export_id
from tuneloop.domain.policy import DEFAULT
from tuneloop.providers.catalog import ANY_MODEL
from tuneloop.providers.catalog import _catalog as listed
from tuneloop.store.table import Table
from tuneloop.store.tenants import Tenants
from tuneloop.tenancy import create_key

DATASET = "support"
USD_PER_1M = Decimal(5)  # as training gpt-4.1-mini did


class Kept(NamedTuple):
    """A tenant's rows and objects, as they were at a moment."""

    tenant: str
    rows: list[dict[str, Any]]
    objects: list[str]


class Ground:
    """The table and the bucket beneath the functions, by connections of our own."""

    def __init__(self, aws: Aws, trainer: Trainer) -> None:
        self.dynamodb, self.s3, self._trainer = aws.client("dynamodb"), aws.client("s3"), trainer

    def trainer_client(self) -> OpenAI:
        """The unmodified SDK at the trainer."""
        return OpenAI(base_url=self._trainer.base_url, api_key=self._trainer.api_key, max_retries=0)

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


def charge(training_per_1m: Decimal) -> None:
    """Let the trainer cost what a provider takes, so that budgets have something to count."""
    free = listed()["trainer"].models
    free[ANY_MODEL] = free[ANY_MODEL].model_copy(update={"training_per_1m": training_per_1m})


@contextmanager
def ground(directory: Path) -> Iterator[Ground]:
    """A stage below `directory`, this process set up to fork functions that reach it."""
    trainer, trainer_process = start_trainer(directory)
    aws, ministack = start_ministack(directory)
    before = dict(os.environ)
    try:
        os.environ.update(ENVIRONMENT | aws.environment())
        os.environ["TUNELOOP_PROVIDER_BASE_URL"] = trainer.base_url
        os.environ["FAULTS_LOG"] = str(directory / "logs" / "functions.log")
        os.environ |= build_stage()
        name = ENVIRONMENT["TUNELOOP_PROVIDER_KEY_PARAMETER"]
        aws.client("ssm").put_parameter(Name=name, Value=trainer.api_key, Type="SecureString", Overwrite=True)
        trainer_process.wait_until(trainer.is_ready, START_TIMEOUT_S)
        app.__dict__.clear()
        charge(USD_PER_1M)
        app.providers.named(app.settings.provider).prepare()
        app.__dict__.pop("_ssm")  # its connection must not be shared by what is forked from here
        for spec in FUNCTIONS:
            importlib.import_module(f"{spec.package}.handler")
        for store in ("table", "objects", "bus", "examples_queue", "usage_queue"):
            getattr(app, store)  # made, and not used here: each process that is forked connects by itself
        yield Ground(aws, trainer)
    finally:
        listed.cache_clear()
        ministack.stop()
        trainer_process.stop()
        app.__dict__.clear()
        boto3.DEFAULT_SESSION = None
        os.environ.clear()
        os.environ |= before
