"""Normalises domain and host names at the edge of the product, so that other code can trust them.

A normalised name is in A-labels, lower case and without a trailing dot (IDNA 2008, RFC 5891, with
the mapping of UTS 46 for typed text).
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import re
import unicodedata
from collections.abc import Callable
from urllib.parse import urlsplit

import idna
from publicsuffixlist import PublicSuffixList

from tenants.errors import BadName

MAX_NAME = 253  # RFC 1035, section 2.3.4, less the root's length byte and dot
MAX_LABEL = 63
_MAX_TEXT = 2000  # no name is longer, and the mapping of a longer text only costs time
_MAX_QUOTED = 60

_PORT = re.compile(r"(?P<host>.+):\d+")
_EMAIL_HOST = re.compile(r"@([^\s<>@,;:]+)[^@]*$")
_LDH = re.compile(r"[a-z0-9-]+")


def normalise_domain(text: str) -> str:
    """The canonical spelling of a domain name. Raises BadName with the reason."""
    return _normalise(text, "domain name")


def normalise_registered_domain(text: str) -> str:
    """The canonical spelling of a domain that an organisation can own.

    Raises BadName with the reason, also for a public suffix such as co.uk. Suffixes that a company
    manages (the private section of the list) are domains of that company.
    """
    name = normalise_domain(text)
    if _public_suffixes().publicsuffix(name) == name:
        shown = display_domain(name)
        raise BadName(
            f"“{shown}” is a public suffix, under which organisations register their domains; "
            f"enter the domain of the client, such as example.{shown}."
        )
    return name


def normalise_hostname(text: str) -> str:
    """The canonical spelling of a host name. Raises BadName with the reason."""
    return _normalise(text, "host name")


def normalise_host(text: str) -> str:
    """The canonical spelling of a host name or IP address. Raises BadName with the reason."""
    with contextlib.suppress(ValueError):
        return address_text(ipaddress.ip_address(text.strip().strip("[]")))
    return normalise_hostname(text)


def address_text(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """The canonical text of an address (RFC 5952), the same in every Python version.

    Section 5 writes an IPv4-mapped address with dots, which Python does from 3.13 on.
    """
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        if mapped is not None and address.scope_id is None:
            return f"::ffff:{mapped}"
    return str(address)


def display_domain(name: str) -> str:
    """The name in U-labels, for display. A label that does not decode remains unchanged."""
    return ".".join(_display_label(label) for label in name.split("."))


def labels_outside_idna(name: str) -> list[str]:
    """The labels of a normalised name that IDNA 2008 does not allow, such as encoded emoji."""
    encoded = (label for label in name.split(".") if label.startswith("xn--"))
    return [label for label in encoded if _display_label(label) == label]


@functools.cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False, only_icann=True)


def _display_label(label: str) -> str:
    try:
        return idna.ulabel(label) if label.startswith("xn--") else label
    except idna.IDNAError:
        return label


def _normalise(text: str, noun: str) -> str:
    typed = text.strip()
    for refuse in _REFUSALS:
        refuse(typed, noun)
    return _normalised_text(typed, noun)


def _normalised_text(typed: str, noun: str) -> str:
    labels = _mapped(typed, noun).removesuffix(".").split(".")
    _refuse_bad_dots(labels, typed)
    name = ".".join(_to_ascii(label, noun) for label in labels)
    if len(name) > MAX_NAME:
        raise BadName(
            f"“{_quoted(name)}” has {len(name)} characters as it is written in DNS; "
            f"a {noun} has {MAX_NAME} at most."
        )
    _refuse_single_label(labels, noun)
    _refuse_numeric_ending(name, labels, noun)
    return name


def _mapped(typed: str, noun: str) -> str:
    try:
        return idna.uts46_remap(typed, std3_rules=False, transitional=False)
    except idna.IDNAError:
        raise _bad_character(typed, noun) from None


def _to_ascii(label: str, noun: str) -> str:
    _refuse_hyphen_at_edge(label)
    # A plain LDH label (RFC 5890, section 2.3.1) passes unchanged. Some real ones have "--" in the
    # third position, which IDNA rejects.
    if _LDH.fullmatch(label) and not label.startswith("xn--"):
        ascii_label = label
    else:
        ascii_label = _to_a_label(label, noun)
    if len(ascii_label) > MAX_LABEL:
        raise BadName(_long_label(label, len(ascii_label)))
    return ascii_label


def _to_a_label(label: str, noun: str) -> str:
    if "_" in label:
        raise BadName(
            f"“{_quoted(label)}” contains an underscore, which a {noun} cannot; is it a hyphen?"
        )
    if label.isascii() and not _LDH.fullmatch(label):
        raise _bad_character(label, noun)
    length = len(label) if label.isascii() else len("xn--") + len(label.encode("punycode"))
    if length > MAX_LABEL:
        raise BadName(_long_label(label, length))
    if label.isascii() and label.startswith("xn--"):
        # Names outside IDNA 2008 were registered and receive mail. As LDH labels they are legal.
        return label
    try:
        return idna.alabel(label).decode("ascii")
    except idna.IDNABidiError:
        raise BadName(
            f"“{_quoted(label)}” mixes letters that are read in both directions; "
            f"a part of a {noun} may not."
        ) from None
    except (idna.IDNAError, UnicodeError):
        raise _bad_label(label, noun) from None


def _bad_label(label: str, noun: str) -> BadName:
    """The error of a label that IDNA does not allow, with its A-label if that may be registered."""
    error = _bad_character(label, noun)
    if not any(unicodedata.category(char) == "So" for char in label):
        return error
    encoded = f"xn--{label.encode('punycode').decode()}"
    if not _LDH.fullmatch(encoded):
        return error
    return BadName(f"{error} If the domain is registered, enter this part as {encoded}.")


def _bad_character(text: str, noun: str) -> BadName:
    culprit = next((char for char in text if not _is_allowed(char)), None)
    if culprit is None:
        return BadName(f"“{_quoted(text)}” is not a valid {noun}; check its spelling.")
    code = f"U+{ord(culprit):04X}"
    what = f"“{culprit}” ({code})" if culprit.isprintable() else f"an invisible character ({code})"
    return BadName(f"“{_quoted(text)}” contains {what}, which a {noun} cannot.")


def _is_allowed(char: str) -> bool:
    return char in "-." or unicodedata.category(char)[0] in "LMN"


def _refuse_empty(typed: str, noun: str) -> None:
    if not typed:
        raise BadName(f"Enter a {noun}, such as example.com.")


def _refuse_oversized(typed: str, noun: str) -> None:
    if len(typed) > _MAX_TEXT:
        raise BadName(_too_long(typed, noun))


def _refuse_address(typed: str, noun: str) -> None:
    try:
        found = ipaddress.ip_interface(typed.strip("[]"))
    except ValueError:
        return
    what = "a network" if "/" in typed and found.network.num_addresses > 1 else "an IP address"
    raise BadName(f"“{typed}” is {what}; enter a {noun}, such as example.com.")


def _refuse_url(typed: str, noun: str) -> None:
    if "://" not in typed and "/" not in typed:
        return
    try:
        host = urlsplit(typed if "://" in typed else f"//{typed}").hostname or ""
    except ValueError:
        host = ""
    raise _with_suggestion(f"“{_quoted(typed)}” is a web address, not a {noun}", host, noun)


def _refuse_email(typed: str, noun: str) -> None:
    if "@" not in typed:
        return
    match = _EMAIL_HOST.search(typed)
    host = match.group(1) if match else ""
    raise _with_suggestion(f"“{_quoted(typed)}” is an e-mail address, not a {noun}", host, noun)


def _refuse_wildcard(typed: str, noun: str) -> None:
    if "*" not in typed:
        return
    raise _with_suggestion(
        f"“{_quoted(typed)}” is a wildcard; enter each {noun} separately",
        typed.removeprefix("*."),
        noun,
    )


def _refuse_port(typed: str, noun: str) -> None:
    match = _PORT.fullmatch(typed)
    if match:
        raise _with_suggestion(
            f"“{_quoted(typed)}” ends in a port; leave it out here", match.group("host"), noun
        )


def _refuse_spaces(typed: str, noun: str) -> None:
    parts = typed.split()
    if sum("." in part.strip(".,;") for part in parts) > 1:
        raise BadName(f"“{_quoted(typed)}” has several names in it; enter one {noun} at a time.")
    if len(parts) > 1:
        raise _with_suggestion(
            f"“{_quoted(typed)}” contains a space, which a {noun} cannot",
            "".join(parts),
            noun,
        )


def _refuse_long(typed: str, noun: str) -> None:
    if len(typed.removesuffix(".")) > MAX_NAME:
        raise BadName(_too_long(typed, noun))


def _refuse_bad_dots(labels: list[str], typed: str) -> None:
    if not all(labels):
        where = "starts with a dot" if not labels[0] else "has two dots in a row"
        raise BadName(f"“{_quoted(typed)}” {where}; there must be a name between dots.")


def _refuse_single_label(labels: list[str], noun: str) -> None:
    if len(labels) == 1:
        raise BadName(
            f"“{_quoted(labels[0])}” is only one part of a {noun}; "
            "enter it in full, such as example.com."
        )


def _refuse_numeric_ending(name: str, labels: list[str], noun: str) -> None:
    if labels[-1].isdigit():
        raise BadName(
            f"“{_quoted(name)}” ends in a number, as an IP address does and a {noun} cannot."
        )


def _refuse_hyphen_at_edge(label: str) -> None:
    if label.startswith("-") or label.endswith("-"):
        edge = "starts" if label.startswith("-") else "ends"
        raise BadName(f"“{_quoted(label)}” {edge} with a hyphen; a part of a name may not.")


def _with_suggestion(problem: str, host: str, noun: str) -> BadName:
    """The error with the probable name as suggestion, if `host` is a valid name."""
    try:
        suggestion = _normalised_text(host, noun)
    except BadName:
        return BadName(f"{problem}.")
    return BadName(f"{problem}. Did you mean {display_domain(suggestion)}?", suggestion=suggestion)


def _too_long(typed: str, noun: str) -> str:
    return (
        f"“{_quoted(typed)}” has {len(typed)} characters; a {noun} has {MAX_NAME} at most, "
        "dots included."
    )


def _long_label(label: str, length: int) -> str:
    return (
        f"“{_quoted(label)}” has {length} characters as it is written in DNS; "
        f"each part between dots has {MAX_LABEL} at most."
    )


def _quoted(text: str) -> str:
    printable = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text
    )
    return printable if len(printable) <= _MAX_QUOTED else f"{printable[:_MAX_QUOTED]}…"


_REFUSALS: tuple[Callable[[str, str], None], ...] = (
    _refuse_empty,
    _refuse_oversized,
    _refuse_address,
    _refuse_url,
    _refuse_email,
    _refuse_wildcard,
    _refuse_port,
    _refuse_spaces,
    _refuse_long,
)
