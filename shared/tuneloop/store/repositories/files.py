"""Files' rows: what was uploaded on OpenAI's wire, listed by time; the examples lie in the dataset of the same id."""

from tuneloop.domain.core.errors import NotFound, Stale
from tuneloop.domain.datasets.drops import UploadedFile
from tuneloop.store import keys
from tuneloop.store.cursors import cursor_behind
from tuneloop.store.dynamodb import ConditionalPut, Listing, Table


class UploadedFiles:
    """The files of every tenant."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant: str, file: str) -> UploadedFile | None:
        """The file, if there is one."""
        return self._table.get(keys.file(tenant, file), UploadedFile)

    def get(self, tenant: str, file: str) -> UploadedFile:
        """The file, or NotFound."""
        if (stored := self.find(tenant, file)) is None:
            raise NotFound(f"There is no file {file}.", param="file")
        return stored

    def add(self, file: UploadedFile) -> UploadedFile:
        """Store a file; returns the stored one where somebody else was first."""
        key = keys.file(file.tenant, file.id)
        try:
            self._table.commit(ConditionalPut(key, file, _list_index(file)))
        except Stale:
            return self.get(file.tenant, file.id)
        return file

    def page(
        self, tenant: str, limit: int, after: UploadedFile | None = None, *, newest_first: bool = True
    ) -> Listing[UploadedFile]:
        """A page of a tenant's files by time, behind the file `after` if one is given."""
        cursor = cursor_behind(keys.file(tenant, after.id), _list_index(after)) if after else None
        partition = keys.file(tenant, "").pk
        return self._table.page(
            partition, UploadedFile, index=keys.BY_TIME, limit=limit, cursor=cursor, newest_first=newest_first
        )


def _list_index(file: UploadedFile) -> dict[str, str]:
    return keys.by_time(keys.file(file.tenant, file.id).pk, file.created_at, file.id)
