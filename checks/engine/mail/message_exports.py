"""Undo the changes of programs that save, export or copy a message, or name the file. Pure.

Each change is undone only where the whole text shows it. A mistake cannot prove a task, because a
signature then fails.
"""

from __future__ import annotations

import re

# The first bytes of files that contain a message, and are none.
_CONTAINERS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "outlook-file"),
    # The file of attachments that Outlook sends to other programs (winmail.dat).
    (b"\x78\x9f\x3e\x22", "outlook-file"),
    (b"!BDN", "outlook-file"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "zip"),
    (b"Rar!\x1a\x07", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "gzip"),
    (b"\xfd7zXZ\0", "gzip"),
    (b"\x28\xb5\x2f\xfd", "gzip"),
    (b"<", "html"),
    (b"%PDF-", "pdf"),
    (b"{\\rtf", "rtf"),
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"II*\0", "image"),
    (b"MM\0*", "image"),
    (b"RIFF", "image"),
)
_DATA = re.compile(rb'[{\[]\s*["{\[]')
# The envelope line of an mbox file. “From :” is a header field (RFC 5322 section 4.5.2).
ENVELOPE = re.compile(rb">?From (?![ \t]*:)")
# Lines that mail programs show or insert above a copied text, which is no source.
_DISPLAYED = re.compile(
    rb"-+ ?(?:original message|forwarded message|forwarded by)|begin forwarded message:"
    rb"|original message\s*\n\s*message id\b",
    re.IGNORECASE,
)
# The date of the delivery (RFC 4155 appendix A), or one in the form of RFC 5322 or ISO 8601.
_DATE = (
    rb"(?:[A-Z][a-z]{2},? +)?(?:[A-Z][a-z]{2} +[0-9]{1,2}|[0-9]{1,2} +[A-Z][a-z]{2} +[0-9]{4}"
    rb"|[0-9]{4}-[0-9]{2}-[0-9]{2})[ T]+[0-9]{1,2}:[0-9]{2}"
)
_BETWEEN = rb"\nFrom [^ \n]+ +" + _DATE
# Some programs write no empty line between two messages; then a header field follows.
_WITH_FIELD = _BETWEEN + rb"[^\n]*\n(?:[ \t>][^\n]*\n)?(?:[!-9;-~]+[ \t]*:|>From )"
_NEXT_IN_MBOX = re.compile(rb"\n" + _BETWEEN + rb"|" + _WITH_FIELD)
_NEXT_MESSAGE = re.compile(_WITH_FIELD)
# Invisible characters and other spaces in UTF-8, which copying adds in front of a text.
_INVISIBLE = (
    rb"(?:\xef\xbb\xbf|\xc2[\x85\xa0\xad]|\xe2\x80[\x80-\x8f\xa8-\xaf]|\xe2\x81[\x9f-\xaf]"
    rb"|\xe3\x80\x80)"
)
_INVISIBLE_START = re.compile(rb"\A[\t \r\n]*(?:" + _INVISIBLE + rb"[\t \r\n]*)+")
_EMLX_LENGTH = re.compile(rb"([0-9]{1,7})[ \t]*\r?\n")
# Ends of lines of other systems: NEL, LINE SEPARATOR, PARAGRAPH SEPARATOR, VT and FF.
_OTHER_ENDS = (b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\x0b", b"\x0c")
_MIN_DOUBLED = 6  # lines; fewer may be one header field and a short body


def as_ascii_superset(content: bytes) -> bytes | None:
    """Return UTF-16 and UTF-32 text as UTF-8, and other text unchanged; None if it is damaged."""
    encoding = _wide_encoding(content)
    if not encoding:
        return content
    try:
        return content.decode(encoding).encode()
    except UnicodeError:
        return None


def _wide_encoding(content: bytes) -> str:
    """Return the encoding with more than one byte for each ASCII character; empty for others."""
    if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    # Names of header fields are ASCII, so without a byte order mark the other bytes are zero.
    start = content[:64]
    if len(start) > 7 and not any(start[1::4] + start[2::4]):
        if not any(start[3::4]) and all(start[::4]):
            return "utf-32-le"
        if not any(start[::4]) and all(start[3::4]):
            return "utf-32-be"
    if len(start) > 3 and not any(start[1::2]) and all(start[::2]):
        return "utf-16-le"
    if len(start) > 3 and not any(start[::2]) and all(start[1::2]):
        return "utf-16-be"
    return ""


def without_start(content: bytes) -> tuple[bytes, int]:
    """Return the text without what copying and editors add in front, and the lines removed.

    That is a byte order mark, other invisible characters, empty lines, the indentation of all
    lines, and the length in front of an .emlx file.
    """
    start = _INVISIBLE_START.match(content)
    bare = _without_length(_without_indentation(content[start.end() :] if start else content))
    # The removed end of an .emlx file does not count: the text begins at the same line.
    shown = bare.partition(b"\n")[0].partition(b"\r")[0]
    place = content.find(shown) if shown else 0
    return bare, _count_of_lines(content[: max(place, 0)])


def _without_indentation(content: bytes) -> bytes:
    """Return the text without the indentation of its first line, which copying can add to all.

    Only a text whose every line has it is changed: other indented lines continue a header field.
    """
    content = _without_blank_lines(content)
    first = content[: len(content) - len(content.lstrip(b"\t "))]
    lines = content.split(b"\n")
    if first and all(line.startswith(first) or not line.strip() for line in lines):
        return b"\n".join(line.removeprefix(first) for line in lines).lstrip(b"\r\n")
    return content.lstrip(b"\r\n\t ")


def _without_blank_lines(content: bytes) -> bytes:
    """Return the text from its first line with more than blanks, indented as it is."""
    blank = content[: len(content) - len(content.lstrip(b"\t \r\n"))]
    if blank == content:
        return b""
    return content[max(blank.rfind(b"\n"), blank.rfind(b"\r")) + 1 :]


def _without_length(content: bytes) -> bytes:
    """Return the message in an .emlx file of Apple Mail: its length in bytes is the first line.

    In a pasted file the length is wrong, because a form changes the ends of lines.
    """
    length = _EMLX_LENGTH.match(content)
    if length is None:
        return content
    message, size = content[length.end() :], int(length[1])
    rest = message[size:].lstrip(b"\r\n\t ")
    if size <= len(message) and (not rest or rest.startswith(b"<?xml")):
        return message[:size]
    start = message.rfind(b"<?xml")
    return message[:start] if b"<plist" in message[max(start, 0) :] and start > 0 else message


def problem_at_start(content: bytes) -> str:
    """Return the problem that the first bytes show; empty without one."""
    if not content:
        return "empty"
    if content.startswith(b">") and not ENVELOPE.match(content):
        return "quoted"
    if _DISPLAYED.match(content.replace(b"\r", b"\n")[:200]):
        return "displayed"
    named = next((problem for start, problem in _CONTAINERS if content.startswith(start)), "")
    return named or ("data" if _DATA.match(content[:200]) else "")


def with_line_feeds(content: bytes) -> bytes:
    """Return the text with LF as the end of each line.

    The end that most lines have counts: a program that wrote CRLF to a file in text mode doubled
    each CR, and one that joined files added a line of another system.
    """
    content = _with_known_ends(content)
    doubled, feeds = content.count(b"\r\r\n"), content.count(b"\n")
    if 2 * doubled > feeds:
        content = content.replace(b"\r\r\n", b"\r\n")
    pairs = content.count(b"\r\n")
    if content.count(b"\r") - pairs > feeds:
        return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return content.replace(b"\r\n", b"\n")


def _with_known_ends(content: bytes) -> bytes:
    if sum(map(content.count, _OTHER_ENDS)) <= max(_count_of_lines(content), 1):
        return content
    for end in _OTHER_ENDS:
        content = content.replace(end, b"\n")
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _count_of_lines(content: bytes) -> int:
    return content.count(b"\r") + content.count(b"\n") - content.count(b"\r\n")


def without_doubled_lines(content: bytes) -> bytes:
    """Return a text whose every second line is empty without these lines, as copying adds them."""
    lines = content.split(b"\n")
    if len(lines) < _MIN_DOUBLED or any(line.strip() for line in lines[1::2]):
        return content
    return b"\n".join(lines[::2])


def has_several(content: bytes) -> bool:
    """Return whether an mbox file, which begins with an envelope line, has further messages."""
    return _NEXT_IN_MBOX.search(content) is not None


def has_next_message(body: bytes) -> bool:
    """Return whether an envelope line and a header field are in the body, as between messages."""
    return _NEXT_MESSAGE.search(body.replace(b"\r\n", b"\n")) is not None


def without_mbox(content: bytes) -> tuple[bytes, int]:
    """Return a message of an mbox file without the quoting of its lines, and the lines removed."""
    # The envelope line is left for `_fields`, with the lines that it was folded into.
    first, feed, rest = content.partition(b"\n")
    message = rest.lstrip(b"\n")
    unquoted = re.sub(rb"^>(>*From )", rb"\1", message, flags=re.MULTILINE)
    return first + feed + unquoted, len(rest) - len(message)
