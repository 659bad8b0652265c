"""The benchmark of exports measures the real thing: it freezes what it generates."""

from bench.data import export


def test_every_figure_is_measured_on_examples_that_are_really_exported() -> None:
    found = export.figures(300)

    assert set(found) == {
        "export_examples_per_s",
        "near_duplicate_ratio",
        "near_duplicate_join_ratio",
        "export_us_per_example",
        "minhashes_us_per_example",
    }
    assert all(figure > 0 for figure in found.values())
    assert found["near_duplicate_ratio"] > found["near_duplicate_join_ratio"]
