"""Lists in Bedrock's shape: filtered, sorted by time of creation, and paginated by an opaque token."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from trainer.bedrock.errors import invalid

ROWS_PER_PAGE = 100  # unless the request says otherwise by maxResults


class Row(NamedTuple):
    """One row of a list: the values by which lists are filtered, and the summary that is returned."""

    arn: str
    name: str
    created_at: float
    status: str
    summary: dict[str, Any]


def moment(seconds: float) -> datetime:
    """Return a time, given in seconds since 1970, as Bedrock's answers hold it."""
    return datetime.fromtimestamp(seconds, UTC)


def page_of(rows: Iterable[Row], request: Mapping[str, Any], member: str) -> dict[str, Any]:
    """Return the page of `rows` (newest first) that a request asks for, as the answer's member `member`."""
    selected = [row for row in rows if _matches(row, request)]
    if request.get("sortOrder") == "Ascending":
        selected.reverse()
    if token := request.get("nextToken"):
        selected = selected[_start_after(token, selected) :]
    limit = request.get("maxResults", ROWS_PER_PAGE)
    answer: dict[str, Any] = {member: [row.summary for row in selected[:limit]]}
    if len(selected) > limit:
        answer["nextToken"] = urlsafe_b64encode(selected[limit - 1].arn.encode()).decode()
    return answer


def _start_after(token: str, rows: list[Row]) -> int:
    try:
        last = urlsafe_b64decode(token).decode()
    except ValueError:
        raise invalid("The nextToken is none that this operation gave.") from None
    return next((number for number, row in enumerate(rows, start=1) if row.arn == last), len(rows))


def _matches(row: Row, request: Mapping[str, Any]) -> bool:
    after = request.get("creationTimeAfter") or request.get("createdAfter")
    before = request.get("creationTimeBefore") or request.get("createdBefore")
    status = request.get("statusEquals") or request.get("modelStatus")
    created = moment(row.created_at)
    return (
        request.get("nameContains", "") in row.name
        and status in (None, row.status)
        and (after is None or created > after)
        and (before is None or created < before)
    )
