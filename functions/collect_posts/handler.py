"""collect-posts: examples and lessons of feedback that came by the API, and reminders to settle a dataset."""

from collect_posts.delivery import Delivery
from tuneloop.runtime.entry_point import Batch, Function

handler = Function("collect-posts")


@handler.on("batch")
def on_messages(batch: Batch) -> None:
    """Posts to collect, prompts to judge, and datasets to settle."""
    Delivery(batch, lambda: handler.remaining_s).work_off()
