"""Limit of the upload size. An oversized file is read without storing it: the form arrives."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest


class SizeLimit(FileUploadHandler):
    """The first upload handler: drops a file as soon as it exceeds FILES_MAX_BYTES."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.received += len(raw_data)
        if self.received > settings.FILES_MAX_BYTES:
            if self.request is not None:
                self.request.__dict__["is_upload_too_large"] = True
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> UploadedFile[Any] | None:
        return None


def was_too_large(request: HttpRequest) -> bool:
    return bool(getattr(request, "is_upload_too_large", False))
