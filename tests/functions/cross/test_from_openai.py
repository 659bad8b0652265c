"""The guide for scripts of OpenAI's says what is so: its script prints what it shows, and the limits are these."""

from pathlib import Path
from time import monotonic

from tests.functions.gateway import serve_gateway
from tests.functions.openai_guide import GUIDE, code_block, start_script
from tests.world import World
from tuneloop.domain.core.limits import FILE_BYTES

ENDS_WITHIN_S = 90


def test_the_guide_s_script_prints_what_the_guide_shows(live: World, tmp_path: Path) -> None:
    with serve_gateway() as url, start_script(url, live.key, tmp_path) as script:
        deadline = monotonic() + ENDS_WITHIN_S
        while script.poll() is None:
            assert monotonic() < deadline
            live.settle()
        printed = script.stdout.read() if script.stdout else ""

    assert printed == code_block("text")


def test_the_guide_names_the_limit_and_the_refusals_as_they_are() -> None:
    assert f"{FILE_BYTES:,} bytes" in GUIDE
    for code in ("invalid_file", "mixed_kinds", "not_supported", "confirmation_required", "model_taken", "too_large"):
        assert f"`{code}`" in GUIDE
