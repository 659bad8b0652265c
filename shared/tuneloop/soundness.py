"""Soundness: the rules that types can't state, for messages that fit the strict types.

They say yes or no and nothing else; what is wrong is said by `domain.rules`, of which they are a copy for speed.
"""

from collections.abc import Sequence

from tuneloop.domain.rules.contents import MOST_IMAGES
from tuneloop.strict import Assistant, ImagePart, Message, Tool, User, text_in


def is_sound(messages: Sequence[Message]) -> bool:
    """Whether each assistant message says or calls something, each call is answered, and images are few."""
    called: set[str] = set()
    waiting: set[str] = set()
    images = 0
    for message in messages:
        if isinstance(message, Assistant):
            calls = message.tool_calls
            if waiting or not (calls or says_something(message)):
                return False
            if calls:
                waiting = {call.id for call in calls}
                if len(waiting) < len(calls):
                    return False
                called |= waiting
        elif isinstance(message, User):
            images += images_in(message)
        elif isinstance(message, Tool):
            if message.tool_call_id not in called:
                return False
            waiting.discard(message.tool_call_id)
    return images <= MOST_IMAGES


def says_something(message: Message) -> bool:
    """Whether its text is more than white space."""
    text = text_in(message.content)
    return bool(text) and not text.isspace()


def images_in(message: Message) -> int:
    """How many images a message shows."""
    if not isinstance(message, User) or isinstance(message.content, str):
        return 0
    return sum(isinstance(part, ImagePart) for part in message.content)


def is_learnt(message: Message) -> bool:
    """Whether it is an assistant's message that the model is trained to say."""
    return isinstance(message, Assistant) and message.weight != 0
