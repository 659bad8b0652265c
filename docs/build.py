"""Builds what is generated from the code: `docs/openapi.json` and the README's table of functions.

`python -m docs.build` writes them, `--check` says which are stale and exits 1.
"""

import argparse
import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "functions"), str(ROOT / "shared")]

from infra.functions import FUNCTIONS, FunctionSpec  # noqa: E402 - after the path that it is found on
from tuneloop.wire.errors import ErrorBody  # noqa: E402

OPENAPI = ROOT / "docs" / "openapi.json"
README = ROOT / "README.md"
TABLE = re.compile(r"(?<=<!-- functions -->\n).*?(?=<!-- /functions -->)", re.DOTALL)
ERROR = {"description": "A refusal, in OpenAI's shape.", "content": {"application/json": {"schema": {}}}}
DESCRIPTION = "One document for all functions. Every route takes `Authorization: Bearer tl_…`; `x-scope` is the scope."


def openapi() -> str:
    """The whole API as one OpenAPI document."""
    merge = OpenAPIMerge(title="Tuneloop", version="1", description=DESCRIPTION, on_conflict="error")
    for spec in FUNCTIONS:
        if spec.routes:
            api = importlib.import_module(f"{spec.package}.routes").api
            merge.add_schema(json.loads(api.resolver.get_openapi_json_schema(title="Tuneloop", version="1")))
    document = merge.get_openapi_schema()
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    body = ErrorBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= body.pop("$defs") | {"ErrorBody": body}
    for name in (
        "HTTPValidationError",
        "ValidationError",
        "ResponseValidationError",
    ):  # Powertools' shape; ours is OpenAI's
        schemas.pop(name, None)
    for methods in document["paths"].values():
        for operation in methods.values():
            _finish(operation)
    document["components"]["securitySchemes"] = {"apiKey": {"type": "http", "scheme": "bearer"}}
    document["paths"] = dict(sorted(document["paths"].items()))
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _finish(operation: dict[str, Any]) -> None:
    operation["responses"].pop("422", None)
    refusal = json.loads(json.dumps(ERROR))
    refusal["content"]["application/json"]["schema"] = {"$ref": "#/components/schemas/ErrorBody"}
    operation["responses"] |= {"4XX": refusal, "5XX": refusal}
    operation["security"] = [{"apiKey": []}]


def function_table() -> str:
    """The README's table: each function, what it does, and what wakes it."""
    rows = [f"| `{spec.name}` | {spec.purpose} | {_triggers(spec)} |" for spec in FUNCTIONS]
    return "\n".join(["| function | what it does | what wakes it |", "|---|---|---|", *rows, ""])


def _triggers(spec: FunctionSpec) -> str:
    parts = [f"`{spec.drops}` in S3"] if spec.drops else []
    parts += [f"queue `{spec.queue}`"] if spec.queue else []
    parts += ["the table's stream"] if spec.stream else []
    parts += [f"`{event}`" for event in spec.events]
    parts += [schedule.name.replace("-", " ") for schedule in spec.schedules]
    return ", ".join([*parts, *([f"{len(spec.endpoints)} routes"] if spec.routes else [])])


def main() -> None:
    """Write or check the generated documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something is stale")
    check = parser.parse_args().check
    built = {OPENAPI: openapi(), README: TABLE.sub(lambda _: function_table(), README.read_text("utf-8"))}
    stale = [path for path, text in built.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is stale: run `make docs`.", file=sys.stderr)
        else:
            path.write_text(built[path], "utf-8")
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
