"""What is generated from the code is what the code says."""

from docs.build import OPENAPI, README, function_table, openapi


def test_the_openapi_document_is_that_of_the_code() -> None:
    assert OPENAPI.read_text("utf-8") == openapi(), "run `make docs`"


def test_the_readme_lists_the_functions_of_the_table() -> None:
    assert function_table() in README.read_text("utf-8"), "run `make docs`"
