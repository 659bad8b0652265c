"""review-examples: examples found and read, decided on, and counted."""

from review_examples.routes import api
from tuneloop.runtime.entry_point import Function

handler = Function("review-examples", api)
