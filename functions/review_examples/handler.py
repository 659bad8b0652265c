"""review-examples: lists, reads and counts examples, and stores decisions on them. Only its routes wake it."""

from review_examples.routes import api
from tuneloop.runtime.entry_point import Function

handler = Function("review-examples", api)
