"""Errors: the refusals of the product, each with a stable code.

A message says what was wrong, where, and what would be right; it never quotes a prompt or an answer.

    TuneloopError
    ├── InvalidInput        the request or file breaks a rule
    │   ├── InvalidFile     a file that was sent whole can't be used
    │   └── NotSupported    a part of OpenAI's API that is not offered; the message names what to use instead
    ├── Malformed           the body is too large or can't be parsed, so nothing in it was checked
    ├── Unauthenticated     no key, or not one of ours
    ├── NotChecked          the API key can't be looked up now: try again
    ├── Forbidden           the key lacks the scope
    ├── NotFound            no such thing in this tenant
    ├── Conflict            the thing moved on, or is not in a state for this
    │   └── Stale           the row was written by somebody else since it was read: read it again
    │       └── Outdated    what a decision was based on has changed: decide anew
    ├── TooLarge            beyond a stated limit
    ├── Corrupt             a stored object no longer holds what we wrote
    ├── ProviderRefused     the provider rejected the call, and would again
    ├── ProviderUnavailable the provider can't be reached or is overloaded: try again
    ├── OutOfTime           the answer would come too late for its caller: try again
    └── Busy                an AWS service throttles us or fails at the moment: try again
"""

# The code of a `ProviderUnavailable` that lasts until the next day (UTC): nothing is tried again before.
DAILY_LIMIT = "daily_rate_limit"


class TuneloopError(Exception):
    """A refusal: a stable code, a message for people, and the field that it is about (`param`)."""

    code = "error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.code


class InvalidInput(TuneloopError):
    """The request or file breaks a rule that the message names."""

    code = "invalid_value"


class InvalidFile(InvalidInput):
    """A file can't be used; the message says which line is to be changed and how."""

    code = "invalid_file"


class NotSupported(InvalidInput):
    """A part of OpenAI's API that Tuneloop doesn't offer; the message says what to use instead."""

    code = "not_supported"


class Malformed(TuneloopError):
    """A body that is too large or can't be parsed, so that nothing in it was checked."""

    code = "malformed"


class Unauthenticated(TuneloopError):
    """The request has no API key, or one that is unknown or revoked."""

    code = "invalid_api_key"


class NotChecked(TuneloopError):
    """The caller's API key can't be looked up at the moment, so that its scopes are unknown."""

    code = "key_not_checked"


class Forbidden(TuneloopError):
    """The API key is valid but lacks the scope that the message names."""

    code = "insufficient_scope"


class NotFound(TuneloopError):
    """Nothing of that id exists in this tenant."""

    code = "not_found"


class Conflict(TuneloopError):
    """The resource is not in a state in which this can be done."""

    code = "conflict"


class Stale(Conflict):
    """The row was written by somebody else since it was read."""

    code = "stale"


class Outdated(Stale):
    """The state that a decision was based on has changed: only the caller who decided can read it and decide anew."""


class TooLarge(TuneloopError):
    """A size is beyond the limit that the message names."""

    code = "too_large"


class Corrupt(TuneloopError):
    """A stored object no longer holds what we wrote; the message names it."""

    code = "corrupt_object"


class ProviderRefused(TuneloopError):
    """The provider rejected the call; sending it again would change nothing."""

    code = "provider_refused"


class ProviderUnavailable(TuneloopError):
    """The provider could not be reached in time, or takes no calls for a while.

    `retry_after_s` are the seconds that the provider asked to be left alone, None where it named none. With the code
    DAILY_LIMIT it takes no calls before the next day (UTC).
    """

    code = "provider_unavailable"

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, param=param, code=code)
        self.retry_after_s = retry_after_s


class OutOfTime(TuneloopError):
    """The answer would come later than the caller waits."""

    code = "timeout"


class Busy(TuneloopError):
    """An AWS service turned the call away for now: we are throttled, or the service itself fails."""

    code = "try_again"
