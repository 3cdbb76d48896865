"""Measure uploaded archives before they are opened: uploads are untrusted. Pure."""

from __future__ import annotations

import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from onboarding.requirements.tables import UnreadableFile

_MAX_PARTS = 500
_MAX_BYTES = 60 * 1024 * 1024
_CHUNK = 1 << 16
_IS_ENCRYPTED = 0x1  # the flag of a part with a password (APPNOTE.TXT, section 4.4.4)
_ENTITIES = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_ROW = re.compile(rb"<(?:\w+:)?(?:table-)?row[\s/>]")
_ROW_NUMBER = re.compile(rb"""<(?:\w+:)?row\s[^>]{0,200}?\br=["'](\d{1,10})["']""")
# Longer than any text that the patterns match.
_OVERLAP = 260

# The errors of zipfile, including NotImplementedError (a RuntimeError) and those of its decoders.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
)
PASSWORD = (
    "This workbook is protected by a password. Remove the password in the program that wrote it,"
    " save the workbook, and import that file."
)
_NO_TABLE = "This file is a ZIP archive, not a table. Extract it and import the file inside."
_TOO_LARGE = "The workbook is too large after unpacking."


class ArchiveKind(Enum):
    XLSX = "xlsx"
    ODS = "ods"


# Parts that identify an archive which is not a readable workbook, and the reason.
_OTHER_ARCHIVES = (
    (
        "xl/workbook.bin",
        "This is a binary workbook (XLSB). Save it as Excel Workbook (.xlsx) and import that file.",
    ),
    (
        "word/document.xml",
        "This is a Word document. Copy the table into a spreadsheet and save it as XLSX.",
    ),
    ("Index/", "This is a Numbers document. Export it as Excel or CSV and import that file."),
    ("Index.zip", "This is a Numbers document. Export it as Excel or CSV and import that file."),
)


@dataclass(frozen=True)
class Measurements:
    has_formulas: bool
    # The number of row tags. Some of those rows may be empty.
    rows: int
    # The highest number that a row of an XLSX workbook claims.
    last_row: int = 0


def archive_kind(content: bytes) -> ArchiveKind:
    """The kind of workbook. Raises UnreadableFile with advice for every other archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()[:_MAX_PARTS]
            manifest = "META-INF/manifest.xml"
            if manifest in names and _beginning(archive, manifest).count(b"encrypt"):
                raise UnreadableFile(PASSWORD)
            mimetype = _beginning(archive, "mimetype") if "mimetype" in names else b""
    except DAMAGED as error:
        raise UnreadableFile(
            "This XLSX workbook cannot be read: it is damaged or incomplete. Save it again."
        ) from error
    if b"opendocument.spreadsheet" in mimetype:
        return ArchiveKind.ODS
    for part, reason in _OTHER_ARCHIVES:
        if any(name.startswith(part) for name in names):
            raise UnreadableFile(reason)
    if mimetype or not any(name.startswith("xl/") for name in names):
        raise UnreadableFile(_NO_TABLE)
    return ArchiveKind.XLSX


def _beginning(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).flag_bits & _IS_ENCRYPTED:
        raise UnreadableFile(PASSWORD)
    with archive.open(name) as stream:
        return stream.read(_CHUNK)


def unpacked_bytes(content: bytes) -> int:
    """The unpacked size in bytes that the workbook declares; 0 if it cannot be opened."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return sum(part.file_size for part in archive.infolist())
    except DAMAGED:
        return 0


def measure(content: bytes) -> Measurements:
    """Unpack every part without storing it, and count its rows and formulas.

    Raises UnreadableFile for a zip bomb, an encrypted workbook, and XML with its own entities.
    """
    rows, last_row, has_formulas = 0, 0, False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for tail, chunk in _xml_chunks(archive):
                window = tail + chunk
                if _ENTITIES.search(window):
                    raise UnreadableFile("The workbook contains XML that no spreadsheet writes.")
                has_formulas = has_formulas or bool(_FORMULA.search(window))
                rows += len(_ROW.findall(window)) - len(_ROW.findall(tail))
                last_row = max([last_row, *map(int, _ROW_NUMBER.findall(window))])
    except DAMAGED as error:
        raise UnreadableFile(
            "This XLSX workbook cannot be read: it is damaged or incomplete. Save it again."
        ) from error
    return Measurements(has_formulas, rows, last_row)


def _xml_chunks(archive: zipfile.ZipFile) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of all XML parts, each after the end of the chunk before it."""
    parts = archive.infolist()
    if len(parts) > _MAX_PARTS or sum(part.file_size for part in parts) > _MAX_BYTES:
        raise UnreadableFile(_TOO_LARGE)
    total = 0
    for part in parts:
        if part.flag_bits & _IS_ENCRYPTED:
            raise UnreadableFile(PASSWORD)
        with archive.open(part) as stream:
            tail = b""
            while chunk := stream.read(_CHUNK):
                total += len(chunk)
                if total > _MAX_BYTES:
                    raise UnreadableFile(_TOO_LARGE)
                if not part.filename.endswith((".xml", ".rels")):
                    continue
                # XML in UTF-16 must not hide a declaration from the patterns.
                plain = chunk.replace(b"\0", b"") if b"\0" in chunk else chunk
                yield tail, plain
                tail = plain[-_OVERLAP:]
