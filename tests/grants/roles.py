"""A deployed function's role, one grant at a time: an action on a resource, with the condition that comes with it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from infra.functions import FUNCTIONS, FunctionSpec
from infra.stage import LOCAL
from local.stack import LocalStack
from tests.infra.machinery import Machinery, user_of
from tests.infra.template import as_list

POLICY = "row"
STARTED_WITHIN_S = 30


class Grant(NamedTuple):
    """One right of a function's role; the condition is JSON."""

    action: str
    resource: str
    condition: str
    spec: FunctionSpec

    @property
    def user(self) -> Machinery | None:
        """The part of Lambda that it is for, None where it is for our own code."""
        return user_of(self.spec, self.action, self.resource)

    @property
    def statement(self) -> dict[str, Any]:
        """The grant as a statement of its own."""
        condition = json.loads(self.condition)
        allowed = {"Effect": "Allow", "Action": self.action, "Resource": self.resource}
        return allowed | ({"Condition": condition} if condition else {})


class Role:
    """The role of one function."""

    def __init__(self, stack: LocalStack, function: str) -> None:
        self._iam, self._lambda = stack.client("iam"), stack.client("lambda")
        self._spec = next(spec for spec in FUNCTIONS if spec.name == function)
        self._function = LOCAL.name_of(function)
        config = self._lambda.get_function_configuration(FunctionName=self._function)
        self._timeout = config["Timeout"]
        self.name = config["Role"].rpartition("/")[2]
        policy = self._iam.get_role_policy(RoleName=self.name, PolicyName=POLICY)["PolicyDocument"]
        self._statements: list[dict[str, Any]] = policy["Statement"]

    @property
    def grants(self) -> list[Grant]:
        """All that the role allows, as it was deployed."""
        return [
            Grant(action, resource, json.dumps(statement.get("Condition", {})), self._spec)
            for statement in self._statements
            for action in as_list(statement["Action"])
            for resource in as_list(statement["Resource"])
        ]

    @contextmanager
    def without(self, *removed: Grant) -> Iterator[None]:
        """The role without some of its grants, and the function started anew: it remembers nothing from before."""
        self._put([grant.statement for grant in self.grants if grant not in removed])
        try:
            self._start_anew()
            yield
        finally:
            self._put(self._statements)

    def _put(self, statements: list[dict[str, Any]]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self._iam.put_role_policy(RoleName=self.name, PolicyName=POLICY, PolicyDocument=document)

    def _start_anew(self) -> None:
        """A changed configuration ends the workers, even one that says what it said before."""
        self._lambda.update_function_configuration(FunctionName=self._function, Timeout=self._timeout)
        deadline = time.monotonic() + STARTED_WITHIN_S
        while self._status() != "Successful":
            assert time.monotonic() < deadline, f"{self._function} was not updated"
            time.sleep(0.05)

    def _status(self) -> str:
        return str(self._lambda.get_function_configuration(FunctionName=self._function)["LastUpdateStatus"])
