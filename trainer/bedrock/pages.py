"""Lists as Bedrock answers them: filtered, sorted by creation, and cut into pages by an opaque token."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from trainer.bedrock.errors import invalid

ROWS_PER_PAGE = 100  # of a list whose request names no maxResults


class Row(NamedTuple):
    """One row of a list: what lists are filtered by, and the summary that is shown."""

    arn: str
    name: str
    created_at: float
    status: str
    summary: dict[str, Any]


def moment(at: float) -> datetime:
    """Return a time in seconds since 1970 as Bedrock's answers hold it."""
    return datetime.fromtimestamp(at, UTC)


def page_of(rows: Iterable[Row], request: Mapping[str, Any], member: str) -> dict[str, Any]:
    """Answer with the page of `rows` (newest first) that a request asks for, under `member`."""
    selected = [row for row in rows if _is_wanted(row, request)]
    if request.get("sortOrder") == "Ascending":
        selected.reverse()
    if token := request.get("nextToken"):
        selected = selected[_place_after(token, selected) :]
    limit = request.get("maxResults", ROWS_PER_PAGE)
    answer: dict[str, Any] = {member: [row.summary for row in selected[:limit]]}
    if len(selected) > limit:
        answer["nextToken"] = urlsafe_b64encode(selected[limit - 1].arn.encode()).decode()
    return answer


def _place_after(token: str, rows: list[Row]) -> int:
    try:
        last = urlsafe_b64decode(token).decode()
    except ValueError:
        raise invalid("The nextToken is none that this operation gave.") from None
    return next((at for at, row in enumerate(rows, start=1) if row.arn == last), len(rows))


def _is_wanted(row: Row, request: Mapping[str, Any]) -> bool:
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
