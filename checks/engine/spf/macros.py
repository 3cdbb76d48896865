"""SPF macros: syntax and expansion (RFC 7208 section 7). Pure, except for the validated name."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

from checks.engine.addresses import address_text

_EXPAND = r"%\{[slodiphcrtvSLODIPHCRTV][0-9]*[rR]?[.\-+,/_=]*\}|%%|%_|%-"
_LITERAL = r"[\x21-\x24\x26-\x7e]"
_MACRO_STRING = re.compile(rf"(?:{_EXPAND}|{_LITERAL})*")
_EXPLAIN_STRING = re.compile(rf"(?:{_EXPAND}|{_LITERAL}|\x20)*")
_ENDS_IN_MACRO = re.compile(rf".*(?:{_EXPAND})")
# Limited to the length of a label (RFC 1035 section 2.3.4): otherwise the time is quadratic in the
# length of a hostile text.
_ENDS_IN_TOPLABEL = re.compile(
    r".*\.(?:[A-Za-z0-9]{0,62}[A-Za-z][A-Za-z0-9]{0,62}"
    r"|[A-Za-z0-9]{1,61}-[A-Za-z0-9-]{0,61}[A-Za-z0-9])\.?"
)
_MACRO = re.compile(r"%\{([A-Za-z])([0-9]*)([rR]?)([.\-+,/_=]*)\}|%[%_-]")
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}
_ONLY_IN_EXPLANATIONS = frozenset("crt")
_ZERO_PARTS = re.compile(r"%\{[A-Za-z]0+[rR.\-+,/_=}]")
# Letters whose value depends on the message or the address. A record without them has one result
# for all senders at an address.
_VARYING = frozenset("slipchrt")
MAX_NAME = 253


@dataclass(frozen=True)
class MacroValues:
    """The values of the macro letters in one check. `validated` returns the name for `%{p}`."""

    ip: IPv4Address | IPv6Address
    domain: str
    sender: str
    helo: str
    validated: Callable[[], Awaitable[str]]

    async def value(self, letter: str) -> str:
        local_part, _, sender_domain = self.sender.rpartition("@")
        match letter:
            case "s":
                return self.sender
            case "l":
                return local_part
            case "o":
                return sender_domain
            case "d":
                return self.domain
            case "h":
                return self.helo
            case "p":
                return await self.validated()
            case _:
                return _address_value(letter, self.ip)


def _address_value(letter: str, ip: IPv4Address | IPv6Address) -> str:
    match letter:
        case "i":
            return str(ip) if ip.version == 4 else ".".join(f"{int(ip):032X}")
        case "c":
            return address_text(ip)
        case "v":
            return "in-addr" if ip.version == 4 else "ip6"
        case "t":
            return str(int(time.time()))
        case _:
            return "unknown"


def is_macro_string(text: str, *, with_spaces: bool = False) -> bool:
    """Return whether the text is a macro-string, or an explain-string (RFC 7208 section 7.1)."""
    pattern = _EXPLAIN_STRING if with_spaces else _MACRO_STRING
    return bool(pattern.fullmatch(text)) and not _ZERO_PARTS.search(text)


def is_domain_spec(text: str) -> bool:
    """Return whether the text is a domain-spec: it ends in a top label or a macro, without c, r, t.

    RFC 7208 section 7.1.
    """
    if not is_macro_string(text) or macro_letters(text) & _ONLY_IN_EXPLANATIONS:
        return False
    return bool(_ENDS_IN_TOPLABEL.fullmatch(text) or _ENDS_IN_MACRO.fullmatch(text))


def macro_letters(text: str) -> frozenset[str]:
    """Return the letters of the macros in the text, in lower case."""
    return frozenset(match[1].lower() for match in _MACRO.finditer(text) if match[1])


def is_dynamic(text: str) -> bool:
    """Return whether the text depends on the address or the sender, so that no list is complete."""
    return bool(macro_letters(text) & _VARYING)


async def expand(text: str, values: MacroValues) -> str:
    """Replace the macros in a text of valid syntax."""
    parts = []
    end = 0
    for match in _MACRO.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        parts.append(await _expand_one(match, values))
    return "".join(parts) + text[end:]


async def _expand_one(match: re.Match[str], values: MacroValues) -> str:
    letter, digits, reverse, delimiters = match.groups()
    if letter is None:
        return _ESCAPES[match[0]]
    value = await values.value(letter.lower())
    if digits or reverse or delimiters:
        parts = re.split(f"[{re.escape(delimiters or '.')}]", value)
        parts = parts[::-1] if reverse else parts
        value = ".".join(parts[-int(digits) :] if digits else parts)
    # Section 7.3: an upper-case letter requests URL escaping.
    return quote(value, safe="") if letter.isupper() else value


async def expand_name(text: str, values: MacroValues) -> str:
    """Expand a target name."""
    return shorten_name(await expand(text, values))


def shorten_name(text: str) -> str:
    """Return the name without the final dot, cut from the left when too long (section 7.3)."""
    name = text.removesuffix(".")
    while len(name) > MAX_NAME and "." in name:
        name = name.split(".", 1)[1]
    return name
