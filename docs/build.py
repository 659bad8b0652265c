"""The generated documents: `docs/openapi.json`, and the tables of functions, rights and base models in the guides.

`python -m docs.build` writes them; with `--check` it writes nothing, names the stale ones, and then exits 1.
"""

import argparse
import importlib
import json
import re
import sys
from datetime import date
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "functions"), str(ROOT / "shared")]

from infra.functions import FUNCTIONS, FunctionSpec, OnBedrock  # noqa: E402 - after the path that it is found on
from tuneloop.domain.training.model_offers import Offer  # noqa: E402
from tuneloop.openai_wire.errors import ErrorBody  # noqa: E402
from tuneloop.providers.catalog import ANY_MODEL, listed_models, price_of, providers  # noqa: E402

OPENAPI = ROOT / "docs" / "openapi.json"
README = ROOT / "README.md"
SECURITY = ROOT / "docs" / "security.md"
FUNCTION_TABLE = re.compile(r"(?<=<!-- functions -->\n).*?(?=<!-- /functions -->)", re.DOTALL)
PROVIDERS = ROOT / "docs" / "providers.md"
BASE_MODELS_TABLE = re.compile(r"(?<=<!-- base models -->\n).*?(?=<!-- /base models -->)", re.DOTALL)
RIGHTS_TABLE = re.compile(r"(?<=<!-- rights -->\n).*?(?=<!-- /rights -->)", re.DOTALL)
DESCRIPTION = """One document for all functions. Every route takes `Authorization: Bearer tl_…`; `x-scope` is the scope.
Webhooks alone take none: their `x-scope` is `signature`, as their sender signs them.

Every refusal has OpenAI's shape but for those of the gateway itself, which are a `message` alone and reach no function:
calls above the stage's rate (429), bodies above about 6 MB (413), and a function that could not be started (500, 503).
Bodies are JSON of at most 4 MiB, uncompressed, but for the form of `POST /v1/files`. Every route answers within 25
seconds."""
REFUSALS = {
    "400": "The provider refused the call, and would again: `provider_refused`. On OpenAI's wire also: the file "
    "can't be used (`invalid_file` and others), or it is done otherwise here (`not_supported`).",
    "401": "No key, or none of ours, or a revoked one: `invalid_api_key`.",
    "403": "The key lacks the route's scope: `insufficient_scope`.",
    "404": "No such thing in the key's tenant (`not_found`, `model_not_found`), or no such route (`unknown_url`).",
    "409": "The thing is not in a state for this (`conflict`) or was changed in between (`stale`: read it again), or "
    "spending is to be confirmed first (`confirmation_required`).",
    "413": "The body, or what was asked for, is too large: `too_large`.",
    "422": "The field that `param` names is wrong, missing or unknown.",
    "429": "More calls than the stage takes; the gateway says so.",
    "500": "Something went wrong on our side: `internal_error`. The request id leads to it in the log.",
    "503": "Try again later: the provider (`provider_unavailable`, `provider_key_refused`, `provider_nonsense`), the "
    "look-up of the key (`key_not_checked`) or the whole call (`timeout`) took too long or failed.",
}
OF_THE_GATEWAY = ("413", "429", "500", "503")
GATEWAY_REFUSAL = {
    "description": "What API Gateway says by itself.",
    "type": "object",
    "properties": {"message": {"type": "string"}},
    "required": ["message"],
}
POWERTOOLS_ERRORS = ("HTTPValidationError", "ValidationError", "ResponseValidationError")  # ours are OpenAI's


def openapi() -> str:
    """The whole API as one OpenAPI document."""
    key: Any = {"type": "http", "scheme": "bearer", "description": "A key of a tenant, from `tuneloop keys create`."}
    merge = OpenAPIMerge(
        title="Tuneloop",
        version="1",
        description=DESCRIPTION,
        on_conflict="error",
        security_schemes={"apiKey": key},
        security=[{"apiKey": []}],
    )
    for spec in FUNCTIONS:
        if spec.routes:
            api = importlib.import_module(f"{spec.package}.handler").handler.api
            merge.add_schema(json.loads(api.resolver.get_openapi_json_schema(title="Tuneloop", version="1")))
    document = merge.get_openapi_schema()
    components = document["components"]
    body = ErrorBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = components["schemas"] | body.pop("$defs") | {"ErrorBody": body, "GatewayRefusal": GATEWAY_REFUSAL}
    components["schemas"] = {name: schemas[name] for name in sorted(schemas) if name not in POWERTOOLS_ERRORS}
    components["responses"] = {status: _refusal(status) for status in REFUSALS}
    for operation in (operation for methods in document["paths"].values() for operation in methods.values()):
        refusals = {status: {"$ref": f"#/components/responses/{status}"} for status in REFUSALS}
        operation["responses"] = dict(sorted((operation["responses"] | refusals).items()))
    document["paths"] = dict(sorted(document["paths"].items()))
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _refusal(status: str) -> dict[str, Any]:
    names = ("ErrorBody", "GatewayRefusal") if status in OF_THE_GATEWAY else ("ErrorBody",)
    shapes = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    schema = {"anyOf": shapes} if len(shapes) > 1 else shapes[0]
    return {"description": REFUSALS[status], "content": {"application/json": {"schema": schema}}}


def function_table() -> str:
    """The README's table of functions, as Markdown: each function, what it does, and what wakes it."""
    rows = [f"| `{spec.name}` | {spec.purpose} | {_triggers(spec)} |" for spec in FUNCTIONS]
    return "\n".join(["| function | what it does | what wakes it |", "|---|---|---|", *rows, ""])


def _triggers(spec: FunctionSpec) -> str:
    parts = [f"`{spec.drops}` in S3"] if spec.drops else []
    parts += [f"queue `{spec.queue}`"] if spec.queue else []
    parts += ["the table's stream"] if spec.stream else []
    parts += [f"`{event}`" for event in spec.events]
    parts += ["jobs on Bedrock"] if spec.bedrock.hears_jobs else []
    parts += [schedule.name.replace("-", " ") for schedule in spec.schedules]
    return ", ".join([*parts, *([f"{len(spec.endpoints)} routes"] if spec.routes else [])])


def rights_table() -> str:
    """The security guide's table of rights, as Markdown: what each function may do, beside writing its own log."""
    rows = [f"| `{spec.name}` | {', '.join(spec.table) or 'nothing'} | {_other_rights(spec)} |" for spec in FUNCTIONS]
    return "\n".join(["| function | in the table | elsewhere |", "|---|---|---|", *rows, ""])


def _other_rights(spec: FunctionSpec) -> str:
    parts = [f"read `{prefix}`" for prefix in spec.reads] + [f"write `{prefix}`" for prefix in spec.writes]
    parts += [f"read versions in `{spec.drops}`"] if spec.drops else []
    parts += [f"list `{spec.lists}`"] if spec.lists else []
    parts += [f"list and delete versions in `{prefix}`" for prefix in spec.deletes]
    parts += [f"read queue `{spec.queue}`"] if spec.queue else []
    parts += ["read the table's stream"] if spec.stream else []
    parts += [f"send to queue `{queue}`" for queue in spec.sends]
    parts += [f"count what waits in queue `{queue}`" for queue in spec.watches]
    parts += ["send to queue `failures`"] if spec.is_asynchronous or spec.stream else []
    parts += ["read the secrets of webhooks"] if spec.webhook_secrets else []
    parts += ["publish to the bus"] if spec.publishes else []
    parts += [f"with Bedrock: {_bedrock_rights(spec.bedrock)}"] if spec.bedrock != OnBedrock() else []
    return ", ".join([*parts, *(["read the provider's key"] if spec.provider_key else [])]) or "nothing"


def _bedrock_rights(rights: OnBedrock) -> str:
    parts = [f"`{action}`" for action in rights.actions] + ["pass the jobs' role"] * rights.passes_role
    parts += [f"read `{prefix}`" for prefix in rights.reads] + [f"write `{prefix}`" for prefix in rights.writes]
    return ", ".join(parts + [f"list and delete versions in `{prefix}`" for prefix in rights.deletes])


def base_models_table() -> str:
    """The providers guide's table of base models, as Markdown, from the catalog."""
    head = ["provider", "base model", "training", "calls in / out", "methods", "hyperparameters", "until"]
    offers = {
        (provider, name): price_of(provider, name) for provider in providers() for name in listed_models(provider)
    }
    rows = [_base_model_cells(provider, name, offer) for (provider, name), offer in offers.items() if offer]
    return "\n".join([f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)] + [""])


def _base_model_cells(provider: str, name: str, offer: Offer) -> list[str]:
    prices = [
        "?" if price is None else f"{price:f}"
        for price in (offer.training_per_1m, offer.input_per_1m, offer.output_per_1m)
    ]
    ranges = ", ".join(f"`{key}` {bounds.least:f} to {bounds.most:f}" for key, bounds in offer.hyperparameters.items())
    until = ", ".join(f"{what} {day}" for what, day in _end_dates(offer) if day)
    owner = " (the trainer's, on your machine)" if name.startswith("tuneloop.") else ""
    model = "any" if name == ANY_MODEL else f"`{name}`{owner}"
    calls, methods = f"{prices[1]} / {prices[2]}", ", ".join(offer.methods)
    return [provider, model, prices[0], calls, methods, _without_trailing_zeros(ranges), until]


def _end_dates(offer: Offer) -> list[tuple[str, date | None]]:
    return [("trains until", offer.training_ends), ("answers until", offer.shutdown_date)]


def _without_trailing_zeros(text: str) -> str:
    """The text with its decimal numbers shortened, like `0.10` to `0.1` and `2.0` to `2`."""
    return re.sub(r"(\.\d*?)0+(?=\D|$)", lambda number: number[1].rstrip("."), text)


def _with_table(path: Path, pattern: re.Pattern[str], table: str) -> str:
    """The text of a guide with its generated table replaced."""
    return pattern.sub(lambda _: table, path.read_text("utf-8"))


def main() -> None:
    """Write the generated documents, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something is stale")
    check = parser.parse_args().check
    built = {
        OPENAPI: openapi(),
        README: _with_table(README, FUNCTION_TABLE, function_table()),
        PROVIDERS: _with_table(PROVIDERS, BASE_MODELS_TABLE, base_models_table()),
        SECURITY: _with_table(SECURITY, RIGHTS_TABLE, rights_table()),
    }
    stale = [path for path, text in built.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is stale: run `make docs`.", file=sys.stderr)
        else:
            path.write_text(built[path], "utf-8")
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
