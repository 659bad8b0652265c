"""complete-chat: the front door of every model."""

from complete_chat.routes import api
from tuneloop.runtime.entry_point import Function

handler = Function("complete-chat", api)
