"""The form for a zone file: pasted text or a file, and the zone's name."""

from __future__ import annotations

import codecs
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from checks.engine.zone_domains import MAX_CHARACTERS
from onboarding.lifecycle.zone_import import UnreadableZone, ZoneDomains, domains_to_add
from tenants.errors import TenantError
from tenants.models import Tenant

# UTF-16 has two bytes for most characters, and UTF-8 up to four.
_MAX_BYTES = 4 * MAX_CHARACTERS


class ZoneFileForm(forms.Form):
    """`found` has the domains to add; only for a valid form."""

    origin = forms.CharField(label="Name of the zone", max_length=2000)
    text = forms.CharField(
        label="Zone file",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false", "class": "mono"}),
    )
    file = forms.FileField(label="or upload it", required=False)

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        self.tenant = tenant
        self.found = ZoneDomains([], [])
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        upload, text = cleaned.get("file"), cleaned.get("text") or ""
        if upload is not None and text.strip():
            self.add_error("file", "Paste the zone file or upload it, not both.")
        elif upload is None and not text.strip() and "file" not in self.errors:
            self.add_error("text", "Paste the zone file, or upload it.")
        elif not self.errors:
            self._read(_text_of(upload) if upload is not None else text, cleaned["origin"])
        return cleaned

    def _read(self, text: str, origin: str) -> None:
        try:
            self.found = domains_to_add(self.tenant, text, origin)
        except TenantError as error:
            self.add_error("origin", str(error))
        except UnreadableZone as error:
            self.add_error("text", str(error))
        else:
            if not self.found.domains:
                sentence = "The zone file has no further domain with MX or SPF records."
                self.add_error("text", f"{sentence} {self.found.caution}".strip())


def _text_of(upload: UploadedFile[bytes]) -> str:
    """The text in UTF-8, UTF-16 with a mark of its byte order, or Latin-1, which reads any byte."""
    content: bytes = upload.read(_MAX_BYTES + 1)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
