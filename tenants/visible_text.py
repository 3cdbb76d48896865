"""Makes characters visible that a reader cannot see, and that can change the text around them.

Text from outside can contain them: DNS answers, SMTP replies, imported rows, comments, names of
files. U+202E reverses the rest of a line, so that `exe.txt` reads as another name. One place for
each kind of output applies `visible`:

- pages and CSV responses: `tenants.middleware.visible_text_middleware`;
- e-mails: `tenants.email` and `tenants.tasks.send_email`;
- exports and closing packs: the function that yields the rows, or renders the page.

Stored values, and values in JSON files, remain unchanged. A form shows `[U+202E]` in a field too;
`as_typed` turns it into the character again, so that saving the form does not change the value.
"""

from __future__ import annotations

import re
import sys
import unicodedata

# Unicode categories Cc (without tab and line ends), Cf, Zl and Zp, except signs of Arabic, Syriac
# and Kaithi that are visible; and the invisible letters of category Lo and Mn.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f]"
)
_JOINERS = "\u200c\u200d"
SHOWN_START = "[U+"
_SHOWN = re.compile(r"\[U\+([0-9A-F]{4,6})\]")
_NUL = "\0"  # PostgreSQL cannot store it


def visible(text: str) -> str:
    """The text with `[U+202E]` in place of an invisible character.

    Zero-width joiners inside emoji, and between letters of scripts that need them, are unchanged.
    """
    return _INVISIBLE.sub(_replacement, text)


def as_typed(text: str) -> str:
    """The inverse of `visible`: the invisible character in place of `[U+202E]`.

    The notation of another character, or of NUL, is unchanged.
    """
    return _SHOWN.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    char = chr(code) if code <= sys.maxunicode else ""
    return char if char != _NUL and _INVISIBLE.fullmatch(char) else match[0]


def _replacement(match: re.Match[str]) -> str:
    char, text, at = match[0], match.string, match.start()
    if char in _JOINERS and _is_joined(text[at - 1 : at]) and _is_joined(text[at + 1 : at + 2]):
        return char
    return f"[U+{ord(char):04X}]"


def _is_joined(char: str) -> bool:
    """Whether a joiner next to the character belongs to the script: emoji, Arabic, Indic."""
    return char > "\u0600" and unicodedata.category(char) in ("So", "Sk", "Lo", "Mn", "Mc")
