"""erase-examples: examples and subjects erased, and segments merged, every five minutes."""

from erase_examples.routes import api
from erase_examples.sweep import ErasureSweep
from tuneloop.runtime.entry_point import Function

handler = Function("erase-examples", api)


@handler.on("every-5-minutes")
def on_schedule() -> None:
    """Go on with what is being erased; merge what has become many."""
    ErasureSweep(handler.owner, lambda: handler.remaining_s).run()
