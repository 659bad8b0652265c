"""collect-posts: collects examples that came by the API or of feedback, and settles datasets on their reminders."""

from collect_posts.delivery import Delivery, ExamplesQueue
from collect_posts.judge_feedback import JudgeFeedback
from collect_posts.posts import CollectPosts
from tuneloop.app import app, utc_now
from tuneloop.runtime.entry_point import Batch, Function
from tuneloop.runtime.settle import SettleDatasets

handler = Function("collect-posts")


@handler.on("batch")
def on_messages(batch: Batch) -> None:
    """Collect posts, judge feedback on prompts, and settle datasets, as the delivery's messages ask."""
    posts = CollectPosts(app.datasets, app.objects, app.erasures, utc_now)
    feedback = JudgeFeedback(app.datasets, app.votes, app.reviews)
    settling = SettleDatasets(app.datasets, app.runs, app.settings.settle_s)
    examples = ExamplesQueue(posts, feedback, settling, app.examples_queue)
    Delivery(batch, examples, lambda: handler.remaining_s).process()
