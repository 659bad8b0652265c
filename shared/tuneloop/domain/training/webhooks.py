"""Webhooks as providers send them by the rules of Standard Webhooks (https://www.standardwebhooks.com, read 2026-11).

A secret `whsec_…` is base64, and a signature the HMAC-SHA256 of `id.timestamp.body`; a sender that is changing its
secret sends several signatures. A webhook whose signature doesn't hold is refused before anything else is done with it.
"""

import binascii
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime

from tuneloop.domain.core.errors import Malformed, Unauthenticated

# Anybody can send a webhook, and all of its body is hashed: no provider's event comes near this size.
MOST_BODY_BYTES = 64 << 10
# The tolerance of Standard Webhooks' own libraries, after which a webhook that was overheard can't be sent again.
SKEW_S = 300
PREFIX = "whsec_"
MOST_DIGITS = 15  # of a time in seconds; a longer number is no time, and Python may refuse to parse it
REQUIRED_HEADERS = "Standard Webhooks asks for `webhook-id`, `webhook-timestamp` and `webhook-signature`."
JOB_EVENTS = "fine_tuning.job."


def raw_body(body: str | None, is_base64: bool) -> bytes:
    """The bytes that were signed; Malformed where there are more than 64 KiB, or they can't be decoded."""
    text = body or ""
    if len(text) > MOST_BODY_BYTES * (4 / 3 if is_base64 else 1) + 4:
        raise _too_large()
    try:
        content = b64decode(text, validate=True) if is_base64 else text.encode()
    except (binascii.Error, ValueError) as error:
        raise Malformed("The body could not be decoded.", param="body") from error
    if len(content) > MOST_BODY_BYTES:
        raise _too_large()
    return content


def check_time(headers: Mapping[str, str], now: datetime) -> None:
    """Raise Unauthenticated where a webhook isn't signed at all, or its time is more than 300 s away from `now`."""
    sent = headers.get("webhook-timestamp", "")
    if not headers.get("webhook-id") or not headers.get("webhook-signature") or not _is_number(sent):
        raise Unauthenticated(f"The webhook carries no signature. {REQUIRED_HEADERS}", code="invalid_signature")
    if abs(now.timestamp() - int(sent)) > SKEW_S:
        message = f"The webhook's timestamp is more than {SKEW_S} seconds away from the time here."
        raise Unauthenticated(message, code="invalid_timestamp")


def check_signature(headers: Mapping[str, str], body: bytes, secret: str | None) -> None:
    """Raise Unauthenticated unless one of a webhook's signatures was made with this secret."""
    given = [part.removeprefix("v1,") for part in headers["webhook-signature"].split() if part.startswith("v1,")]
    signature = _signature(headers, body, secret) if secret else None
    if signature is None or not any(hmac.compare_digest(signature, one.encode()) for one in given):
        message = "The webhook's signature is not by the secret that this stage knows of that provider."
        raise Unauthenticated(message, code="invalid_signature")


def job_in(body: bytes) -> str | None:
    """The id of the job that a webhook is about, None for an event of another kind; Malformed where there is no id."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed("The body is not JSON.", param="body") from error
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(kind, str):
        raise Malformed("The body is no object with a `type`.", param="type")
    if not kind.startswith(JOB_EVENTS):
        return None
    data = event.get("data")
    job = data.get("id") if isinstance(data, dict) else None
    if not isinstance(job, str) or not job:
        raise Malformed("`data.id` has to name the job.", param="data.id")
    return job


def _signature(headers: Mapping[str, str], body: bytes, secret: str) -> bytes | None:
    try:
        key = b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return b64encode(hmac.digest(key, signed, "sha256")) if key else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS


def _too_large() -> Malformed:
    return Malformed(f"A webhook may have at most {MOST_BODY_BYTES >> 10} KiB.", param="body")
