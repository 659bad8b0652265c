"""Soundness: the rules that types can't state, for messages that fit the strict types.

They say yes or no and nothing else; what is wrong is said by `domain.rules`, of which they are a copy for speed.
"""

from collections.abc import Sequence

from tuneloop.domain.chat.rules.contents import MOST_IMAGES
from tuneloop.validation.fast_schema import Assistant, ImagePart, Message, Tool, User, text_in


def is_sound(messages: Sequence[Message]) -> bool:
    """Whether each assistant message says or calls something, each call is answered, and images are few."""
    made: set[str] = set()
    waiting: set[str] = set()
    images = 0
    for message in messages:
        if isinstance(message, Tool):
            if message.tool_call_id not in made:
                return False
            waiting.discard(message.tool_call_id)
            continue
        if waiting:
            return False
        calls = (isinstance(message, Assistant) and message.tool_calls) or ()
        made, waiting = {call.id for call in calls}, {call.id for call in calls}
        if len(made) < len(calls) or (isinstance(message, Assistant) and not calls and not says_something(message)):
            return False
        images += images_in(message)
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
