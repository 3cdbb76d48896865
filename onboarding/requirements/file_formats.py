"""Recognise files that are not tables, each with advice for the person who chose it. Pure."""

from __future__ import annotations

import re

from onboarding.requirements.archives import PASSWORD
from onboarding.requirements.tables import UnreadableFile

_COMPOUND = b"\xd0\xcf\x11\xe0"  # the container of XLS, DOC, MSG and encrypted XLSX
_OLD_WORKBOOK = (
    "This workbook has the old XLS format. Open it in Excel or Calc, choose Save As and the type"
    " Excel Workbook (.xlsx), and import that file."
)
# The first record of a workbook without a container: BIFF2, 3, 4, 5 and 8.
_BARE_WORKBOOKS = (
    b"\x09\x00\x04\x00",
    b"\x09\x02\x06\x00",
    b"\x09\x04\x06\x00",
    b"\x09\x08\x08\x00",
    b"\x09\x08\x10\x00",
)
_NO_TABLE = "This file is not a table. Import CSV or XLSX, or paste text."
_BINARIES = (
    b"%PDF-",
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"GIF8",
    b"MZ",
    b"{\\rtf",
    b"\x1f\x8b",  # gzip
    b"7z\xbc\xaf",
    b"Rar!",
)
_EXPORT_CSV = (
    "In PowerShell use Export-Csv -NoTypeInformation -Encoding UTF8, and import that file."
)
_COLUMN_RULE = re.compile(r"^-{2,}(?:[ \t]+-{2,})*[ \t]*$", re.MULTILINE)
_TEXTS = (
    (
        re.compile(r"\s*(?:\{\s*\"|\[\s*[\[{\"])"),
        f"This file is JSON, not a table. {_EXPORT_CSV}",
    ),
    (
        re.compile(r"\s*<(?:\?xml|Objs\b)"),
        f"This file is XML, not a table. {_EXPORT_CSV}",
    ),
    (
        re.compile(r"MIME-Version:", re.IGNORECASE),
        "This file is a web archive (MHTML). Open it in a spreadsheet program, save it as XLSX,"
        " and import that file.",
    ),
)


def refuse_binary(content: bytes) -> None:
    """Raise UnreadableFile with advice if the bytes are a binary file other than a ZIP archive."""
    if content.startswith(_COMPOUND):
        raise UnreadableFile(_compound_advice(content))
    if content.startswith(_BARE_WORKBOOKS):
        raise UnreadableFile(_OLD_WORKBOOK)
    if content.startswith(_BINARIES):
        raise UnreadableFile(_NO_TABLE)


def _compound_advice(content: bytes) -> str:
    def has_stream(name: str) -> bool:
        return name.encode("utf-16-le") in content

    if has_stream("EncryptedPackage"):
        return PASSWORD
    if has_stream("WordDocument") or has_stream("__substg1.0_"):
        return _NO_TABLE
    return _OLD_WORKBOOK


def refuse_other_text(text: str) -> None:
    """Raise UnreadableFile with advice if the text is no table of cells."""
    beginning = text[:4000]
    for pattern, reason in _TEXTS:
        if pattern.match(beginning):
            raise UnreadableFile(reason)
    if _is_printed_by_powershell(beginning):
        raise UnreadableFile(
            "This text was printed by PowerShell (Format-List or Format-Table), which shortens"
            f" values. {_EXPORT_CSV}"
        )


def _is_printed_by_powershell(text: str) -> bool:
    lines = [line for line in text.replace("\r", "\n").split("\n") if line.strip()][:20]
    if len(lines) > 1 and _COLUMN_RULE.match(lines[1]):
        return True
    # Format-List aligns the colons behind the names of the properties.
    colons = [match.end() for line in lines if (match := re.match(r"\w+ +:(?= |$)", line))]
    return len(colons) > 1 and len(set(colons)) == 1 and lines[0].find(":") + 1 == colons[0]
