"""The code answers exactly what its row of the table wakes it for: no trigger without a routine, and none unused."""

import importlib
import subprocess
import sys
from pathlib import Path

from infra.functions import FunctionSpec
from tuneloop.runtime.entry_point import Function


def handler_of(spec: FunctionSpec) -> Function:
    handler: Function = importlib.import_module(f"{spec.package}.handler").handler
    return handler


def test_a_handler_has_a_routine_for_each_of_its_triggers_and_no_other(spec: FunctionSpec) -> None:
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


def imports(spec: FunctionSpec, module: str) -> bool:
    """Whether a function loads a module at its cold start."""
    code = f"import sys, {spec.package}.handler; print('{module}' in sys.modules)"
    root = Path(__file__).parents[2]
    environment = {"PYTHONPATH": f"{root / 'shared'}:{root / 'functions'}"}

    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=240, cwd=root, env=environment, stdout=subprocess.PIPE
    ).stdout

    return {b"True": True, b"False": False}[printed.strip()]


def test_a_function_without_routes_imports_nothing_that_answers_them(spec: FunctionSpec) -> None:
    assert spec.routes or not imports(spec, "tuneloop.api.router")


def test_a_function_that_reads_no_lines_imports_nothing_that_parses_them(spec: FunctionSpec) -> None:
    has_lines = {"datasets/", "exports/", "posted/"} & {*spec.reads} or "datasets/" in spec.writes

    assert has_lines or not imports(spec, "msgspec")
