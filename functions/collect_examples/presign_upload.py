"""Uploading: a file goes from its owner right into the bucket, by a form that is good for that one file."""

from datetime import datetime

from collect_examples.views import NewUpload, UploadView
from tuneloop.domain.core.limits import UPLOAD_VALID
from tuneloop.store.objects.bucket import Objects


def presign_upload(
    tenant: str, dataset: str, new: NewUpload, *, nonce: str, objects: Objects, now: datetime
) -> UploadView:
    """The form for a new file below the dataset's prefix; `nonce` keeps files of one name apart."""
    folder = [new.split.value] if new.split else []
    key = "/".join(["incoming", tenant, dataset, *folder, f"{nonce}-{new.filename}"])
    form = objects.upload_form(key)
    return UploadView(url=form.url, fields=form.fields, object=key, expires_at=now + UPLOAD_VALID)
