"""What is generated from the code is what the code says."""

from collect_examples.views import POSTED_SCHEMA
from docs.build import OPENAPI, README, SECURITY, function_table, openapi, rights_table
from tuneloop.domain.chat.examples import CONTENT_FIELDS, Example
from tuneloop.domain.chat.rules.lines import PREFERENCE_FIELDS
from tuneloop.domain.datasets.records import COMPLETED, PLAIN, RENDERED


def test_the_openapi_document_is_that_of_the_code() -> None:
    assert OPENAPI.read_text("utf-8") == openapi(), "run `make docs`"


def test_the_readme_lists_the_functions_of_the_table() -> None:
    assert function_table() in README.read_text("utf-8"), "run `make docs`"


def test_the_security_guide_lists_the_rights_of_the_table() -> None:
    assert rights_table() in SECURITY.read_text("utf-8"), "run `make docs`"


def test_the_document_shows_the_fields_that_an_example_has() -> None:
    forms = {*PLAIN, *COMPLETED, *RENDERED, *PREFERENCE_FIELDS}

    assert set(POSTED_SCHEMA["properties"]) == {*CONTENT_FIELDS, *forms, *Example.model_fields} - {"id", "content"}
