"""collect-posts: examples and lessons of feedback that came by the API, and reminders to settle a dataset."""

from collect_posts.delivery import Delivery, ExamplesQueue
from collect_posts.judge_feedback import JudgeFeedback
from collect_posts.posts import CollectPosts
from tuneloop.app import app, utc_now
from tuneloop.runtime.entry_point import Batch, Function
from tuneloop.runtime.settle import SettleDatasets

handler = Function("collect-posts")


@handler.on("batch")
def on_messages(batch: Batch) -> None:
    """Collect posts, judge feedback on prompts, and settle datasets."""
    posts = CollectPosts(app.datasets, app.objects, app.erasures, utc_now)
    feedback = JudgeFeedback(app.datasets, app.votes, app.reviews)
    changes = SettleDatasets(app.datasets, app.runs, app.settings.settle_s)
    Delivery(batch, ExamplesQueue(posts, feedback, changes, app.examples_queue), lambda: handler.remaining_s).work_off()
