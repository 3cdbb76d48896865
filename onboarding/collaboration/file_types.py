"""Types of uploaded files, recognised by content and compared with the name. Pure."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from dataclasses import dataclass
from io import BytesIO

from onboarding.errors import OnboardingError

TEXTS = {
    "txt": "text/plain",
    "csv": "text/csv",
    "eml": "message/rfc822",
    "json": "application/json",
}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EXTENSIONS = ("png", "jpg", "jpeg", "pdf", "txt", "eml", "csv", "json", "xlsx")
_ALLOWED = "PNG, JPG, PDF, TXT, EML, CSV, JSON and XLSX"
_MAX_NAME_LENGTH = 100
# A text that begins like HTML or SVG is markup, independent of its name.
_MARKUP = re.compile(rb"<(!doctype|!--|\?xml|html|head|body|script|svg|iframe)", re.IGNORECASE)


class RejectedFile(OnboardingError):
    """The file is not stored. The message is the reason."""

    field = "file"


@dataclass(frozen=True)
class AcceptedFile:
    """A file for storage: its safe name and the type of its content."""

    name: str
    content_type: str


def recognise(name: str, content: bytes) -> AcceptedFile:
    """The safe name and the true type. Raises RejectedFile if they disagree or are not allowed."""
    safe = safe_name(name)
    extension = safe.rpartition(".")[2].lower() if "." in safe else ""
    if extension not in EXTENSIONS:
        raise RejectedFile(f"{safe} was not added: files may be {_ALLOWED}.")
    if not content:
        raise RejectedFile(f"{safe} was not added: it is empty.")
    detected = sniff_type(content, extension)
    if not detected:
        raise RejectedFile(
            f"{safe} was not added: its content does not match its name. Files may be {_ALLOWED}."
        )
    return AcceptedFile(safe, detected)


def sniff_type(content: bytes, extension: str) -> str:
    """The content type if the bytes match the extension, otherwise empty."""
    match extension:
        case "png":
            return "image/png" if content.startswith(b"\x89PNG\r\n\x1a\n") else ""
        case "jpg" | "jpeg":
            return "image/jpeg" if content.startswith(b"\xff\xd8\xff") else ""
        case "pdf":
            return "application/pdf" if content.startswith(b"%PDF-") else ""
        case "xlsx":
            return _XLSX if _is_workbook(content) else ""
        case _:
            return TEXTS[extension] if _is_plain_text(content) else ""


def _is_workbook(content: bytes) -> bool:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False
    return {"[Content_Types].xml", "xl/workbook.xml"} <= names


def _is_plain_text(content: bytes) -> bool:
    if content.startswith(_UTF_16):
        # Windows PowerShell writes its output so.
        content = content.decode("utf-16", "replace").encode()
    if b"\x00" in content or content.startswith((b"%PDF-", b"PK\x03\x04", b"\xff\xd8\xff", b"MZ")):
        return False
    return not _MARKUP.match(content.lstrip(b"\xef\xbb\xbf \t\r\n"))


def safe_name(name: str) -> str:
    """The last part of the name, without characters that alter paths, headers or the display."""
    last = re.split(r"[\\/]", unicodedata.normalize("NFC", name))[-1]
    # Cc and Cf: control characters, and characters that change the direction of text.
    shown = "".join(c for c in last if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
    kept = re.sub(r"[\"'<>|:*?;%]", "_", shown).strip(" .")
    stem, dot, extension = kept.rpartition(".")
    if not dot:
        return kept[:_MAX_NAME_LENGTH] or "file"
    return f"{(stem or 'file')[: _MAX_NAME_LENGTH - len(extension) - 1]}.{extension[:10]}"
