"""Presigned uploads: a caller puts a file directly into the bucket, by a form that is valid for that one file."""

from datetime import datetime

from collect_examples.views import NewUpload, UploadView
from tuneloop.domain.core.limits import UPLOAD_VALID
from tuneloop.store.objects.bucket import Objects


def presign_upload(
    tenant: str, dataset: str, new: NewUpload, *, nonce: str, objects: Objects, now: datetime
) -> UploadView:
    """Make the form for one new file under the dataset's prefix; `nonce` keeps files with the same name apart."""
    folder = [new.split.value] if new.split else []
    key = "/".join(["incoming", tenant, dataset, *folder, f"{nonce}-{new.filename}"])
    form = objects.upload_form(key)
    return UploadView(url=form.url, fields=form.fields, object=key, expires_at=now + UPLOAD_VALID)
