"""The code answers exactly what its row of the table wakes it for: no trigger without a routine, and none unused."""

import importlib

from infra.functions import FunctionSpec
from tuneloop.triggers import Function


def handler_of(spec: FunctionSpec) -> Function:
    handler: Function = importlib.import_module(f"{spec.package}.handler").handler
    return handler


def test_a_handler_has_a_routine_for_each_of_its_row_s_triggers_and_no_other(spec: FunctionSpec) -> None:
    triggers = {*spec.events, *(schedule.name for schedule in spec.schedules)}
    triggers |= {
        name
        for name, wakes in (
            ("drop", spec.drops),
            ("job", spec.bedrock.hears_jobs),
            ("queue", spec.queue),
            ("stream", spec.stream),
        )
        if wakes
    }

    routines = {"queue" if name == "batch" else name for name in handler_of(spec).routines}
    assert routines == triggers


def test_a_handler_answers_its_row_s_routes_and_no_other(spec: FunctionSpec) -> None:
    api = handler_of(spec).api

    routes = set(api.scopes) | api.unkeyed if api else set()

    assert routes == {f"{method} {path}" for method, path in spec.endpoints}
