"""complete-chat: answers chats with the version of a model that serves the user. Only its routes wake it."""

from complete_chat.routes import api
from tuneloop.runtime.entry_point import Function

handler = Function("complete-chat", api)
