"""Limit of the upload size. An oversized file is read without storing it: the form arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

from tenants.models import User
from tenants.permissions import Permission, may, staff_role_of

View = TypeVar("View", bound=Callable[..., Any])


class SizeLimit(FileUploadHandler):
    """The first upload handler: drops a file as soon as it exceeds the limit of its view.

    The limit is FILES_MAX_BYTES, unless the view permits archives and the user may import them.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.received = 0
        self.limit = _limit_of(self.request)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self.received += len(raw_data)
        if self.received > self.limit:
            if self.request is not None:
                self.request.__dict__["is_upload_too_large"] = True
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> UploadedFile[Any] | None:
        return None


def receives_archives(view: View) -> View:
    """Mark a view whose form uploads an archive."""
    view.__dict__["receives_archives"] = True
    return view


def permit_archives(request: HttpRequest) -> None:
    """Permit an upload of ARCHIVE_MAX_BYTES. Call it after the permission and before the body."""
    request.__dict__["permits_archives"] = True


def _limit_of(request: HttpRequest | None) -> int:
    if request is None:
        return int(settings.FILES_MAX_BYTES)
    match = request.resolver_match
    # The check of the CSRF token reads the body of a page before the view and its guard.
    if getattr(match.func if match is not None else None, "receives_archives", False):
        user = getattr(request, "user", None)
        role = staff_role_of(user) if isinstance(user, User) else None
        if may(role, Permission.IMPORT_ARCHIVES):
            permit_archives(request)
    is_archive = getattr(request, "permits_archives", False)
    return int(settings.ARCHIVE_MAX_BYTES if is_archive else settings.FILES_MAX_BYTES)


def was_too_large(request: HttpRequest) -> bool:
    return bool(getattr(request, "is_upload_too_large", False))
