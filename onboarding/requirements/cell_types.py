"""The types of cells. Each is a function from text to the normalised value. Pure.

A function raises BadValue with a message for the person who typed the text.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from checks.engine.addresses import address_text, is_public, network_text
from checks.local_addresses import local_address_refusal
from onboarding.errors import OnboardingError
from tenants.errors import BadName
from tenants.names import normalise_domain, normalise_host

MAX_LENGTH = 2000
MAX_LOCAL_PART = 64  # RFC 5321, section 4.5.3.1.1
MAX_ADDRESS = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets
_MAX_QUOTED = 60
_MAX_INPUT_LENGTH = 50_000  # longer input is rejected without parsing
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"  # RFC 5322, section 3.2.3
_LOCAL_PART = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_NAMED = re.compile(r"([^<>]*)<([^<>]*)>")
# The types of addresses that Exchange and other directories write in front of an address.
_ADDRESS_TYPE = re.compile(
    r"(smtp|mailto|sips?|x500|x400|ex|eum|spo|im|tel|notes|ccmail|msmail)\s*:\s*", re.IGNORECASE
)
# Recipients that ForwardingAddress names: /o=…/cn=…, CN=…,DC=…, and example.com/Users/Ann.
_DIRECTORY_NAME = re.compile(
    r"/o=|(?:CN|OU)=[^,]+,|[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/[^/?#]+){2,}$", re.IGNORECASE
)
# A recipient as rules of Exchange print it: "Ann" [SMTP:ann@example.com].
_RULE_RECIPIENT = re.compile(r"[^\[\]]*\[((?:smtp|ex):[^\[\]]*)\]", re.IGNORECASE)
_SMTP_ADDRESS = re.compile(r"smtp:(\S+@\S+)", re.IGNORECASE)
_RANGE = re.compile(r"[0-9a-fA-F.:]+\s*[-–]\s*[0-9a-fA-F.:]+")
_SPF_TERM = re.compile(r"^[+~?-]?(?:include:|redirect=)\s*", re.IGNORECASE)
_SPF_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# Spreadsheet programs run a cell that begins with one of these as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_SPREADSHEET_ERRORS = {"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"}
_EMPTY_DECIMALS = re.compile(r"(?<=[0-9])[.,]0{1,2}$")
# No sender has a broader network: a typing error here would let in strangers.
_BROADEST_V4, _BROADEST_V6 = 8, 24

Parse = Callable[[str], str]


class BadValue(OnboardingError):
    """The value is invalid. The message states the reason."""


def printable(text: str) -> str:
    """The text without characters that a database or a page cannot store."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def quoted(text: str) -> str:
    """The beginning of the typed text, for quoting in a message."""
    return printable(text) if len(text) <= _MAX_QUOTED else f"{printable(text[:_MAX_QUOTED])}…"


def clean(text: str) -> str:
    """The text without invisible characters that copying leaves behind."""
    if len(text) > _MAX_INPUT_LENGTH:
        return text
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(
        " " if char.isspace() or unicodedata.category(char) == "Zs" else char
        for char in composed
        if unicodedata.category(char) != "Cf"
    )
    return " ".join(kept.split())


def refuse_unreadable(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise BadValue(f"This has {len(text)} characters. A cell can have at most {MAX_LENGTH}.")
    if "\N{REPLACEMENT CHARACTER}" in text:
        raise BadValue(
            f"“{quoted(text)}” contains a character that could not be read. Type it again."
        )
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise BadValue("This contains a character that cannot be stored. Type it again.")
    if text.upper() in _SPREADSHEET_ERRORS:
        raise BadValue(f"“{text}” is an error of the spreadsheet, not a value.")


def free_text(text: str) -> str:
    """Free text, without the leading apostrophe that prevents a spreadsheet from running it.

    An address has no type in front of it, so that one mailbox has one spelling.
    """
    typed = _SMTP_ADDRESS.fullmatch(text)
    if typed:
        return typed.group(1)
    if text.startswith("'") and text[1:].startswith(FORMULA_STARTS):
        return text[1:]
    return text


def _refuse_directory_name(text: str) -> None:
    if _DIRECTORY_NAME.match(text):
        raise BadValue(
            f"“{quoted(text)}” is a name in a directory or a web address, not an e-mail address."
            " Enter the e-mail address of the recipient."
        )


def _without_type(text: str) -> str:
    """The address without “smtp:” or “mailto:”. Raises BadValue for an address of another type."""
    found = _ADDRESS_TYPE.match(text)
    if found is None:
        return text
    if found.group(1).lower() not in ("smtp", "mailto"):
        raise BadValue(
            f"“{quoted(text)}” is an address of the type {found.group(1).upper()}, not an e-mail"
            " address."
        )
    return text[found.end() :]


def domain(text: str) -> str:
    text = _without_type(text)
    if text.startswith("@"):
        text = text[1:]
    try:
        return _normalised(text)
    except BadName as error:
        raise BadValue(str(error)) from None


def without_spf_term(text: str) -> str:
    """The name in a term of an SPF record, such as “include:_spf.example.com”."""
    return _SPF_TERM.sub("", text)


def spf_domain(text: str) -> str:
    """A name that publishes an SPF record. Labels such as “_spf” are usual there (RFC 8552)."""
    name = without_spf_term(text).removesuffix(".").lower()
    labels = name.split(".")
    # Behind the last underscored label is a registered domain, as in “eu._netblocks.example.com”.
    underscored = [n for n, each in enumerate(labels) if each.startswith("_")]
    count = underscored[-1] + 1 if underscored else 0
    if not all(map(_SPF_LABEL.fullmatch, labels[:count])):
        count = 0
    return ".".join([*labels[:count], domain(".".join(labels[count:]))])


# Lists repeat domains, and IDNA mapping of a name is the most expensive part.
_normalised = lru_cache(maxsize=20_000)(normalise_domain)


def host(text: str) -> str:
    """The canonical name or address of a host that the internet reaches."""
    name = _host(text)
    _refuse_local(name)
    return name


def _host(text: str) -> str:
    try:
        return normalise_host(text)
    except BadName as error:
        raise BadValue(str(error)) from None


def _refuse_local(name: str) -> None:
    refusal = local_address_refusal(name)
    if refusal:
        raise BadValue(refusal)


def delivery_hosts(text: str) -> str:
    """A list of hosts with ports, such as “mail.example.com:25, mx.example.com:2525”."""
    hosts = hosts_with_ports(text)
    for name, _ in hosts:
        _refuse_local(name)
    return text_of_hosts(hosts)


def hosts_with_ports(text: str) -> list[tuple[str, int]]:
    """The distinct hosts of a list with commas, semicolons or spaces. The usual port is 25."""
    parts = filter(None, re.split(r"[,;\s]+", text))
    return sorted({_host_with_port(part) for part in parts})


def _host_with_port(text: str) -> tuple[str, int]:
    name, colon, typed_port = text.rpartition(":")
    # A bare IPv6 address has colons, too. One with a port is in brackets.
    if not colon or (":" in name and not name.endswith("]")):
        return _host(text), 25
    return _host(name), int(port(typed_port))


def text_of_hosts(hosts: Iterable[tuple[str, int]]) -> str:
    """The list of these hosts, in the spelling that `hosts_with_ports` reads."""
    return ", ".join(
        f"[{name}]:{number}" if ":" in name else f"{name}:{number}"
        for name, number in sorted(set(hosts))
    )


def address(text: str) -> str:
    """One e-mail address. The domain is normalised; the local part is unchanged."""
    inner = _bare_address(text)
    local, _, at_host = inner.rpartition("@")
    if not local:
        raise BadValue(
            f"“{quoted(text)}” is not an e-mail address; enter one such as ann@example.com."
        )
    if local == "*":
        raise BadValue(f"“{quoted(text)}” is a wildcard; enter the domain {at_host} instead.")
    if not _LOCAL_PART.fullmatch(local) or len(local) > MAX_LOCAL_PART:
        raise BadValue(f"“{quoted(local)}” cannot be the part of an e-mail address before the @.")
    if local.startswith(FORMULA_STARTS):
        raise BadValue(
            f"“{quoted(text)}” begins with “{local[0]}”, which spreadsheets run as a formula."
        )
    spelt = f"{local}@{domain(at_host)}"
    if len(spelt) > MAX_ADDRESS:
        raise BadValue(f"“{quoted(text)}” is longer than an e-mail address can be.")
    return spelt


def _bare_address(text: str) -> str:
    """The address in “Ann <ann@example.com>”, in links, and behind “smtp:”."""
    inner = text
    rule, named = _RULE_RECIPIENT.fullmatch(text), _NAMED.fullmatch(text)
    if rule:
        inner = rule.group(1)
    elif named and ("@" not in named.group(1) or _is_same(named.group(1), named.group(2))):
        inner = named.group(2).strip()
    if inner.count("@") > 1:
        raise BadValue(f"“{quoted(text)}” has more than one @; enter one address in each row.")
    return _without_type(inner)


def _is_same(name: str, address: str) -> bool:
    """Whether a display name repeats the address, as mail programs write it."""
    return name.strip(" \"'").casefold() == address.strip().casefold()


def address_or_domain(text: str) -> str:
    _refuse_directory_name(text)
    if "@" in text[1:] or _RULE_RECIPIENT.fullmatch(text):
        return address(text)
    if " " in text and "." not in text and not _ADDRESS_TYPE.match(text):
        raise BadValue(f"“{quoted(text)}” is a name; enter the e-mail address or the domain.")
    return domain(text)


def whole_number(text: str) -> str:
    """The number without empty decimals, which some programs write: “25.0”, in Europe “25,0”."""
    return _EMPTY_DECIMALS.sub("", text)


def single_ip(text: str) -> str:
    """One public IP address: Mimecast authorises single addresses, never networks."""
    try:
        found = ipaddress.ip_interface(text.strip("[]"))
    except ValueError:
        raise BadValue(_no_ip(text)) from None
    if found.network.num_addresses > 1:
        raise BadValue(
            f"“{text}” is a network; Mimecast authorises single addresses, so enter each in a row."
        )
    if not is_public(found.ip):
        raise BadValue(
            f"“{address_text(found.ip)}” is not a public address; enter the one that the internet"
            " sees."
        )
    return address_text(found.ip)


def ip_or_network(text: str) -> str:
    try:
        typed = ipaddress.ip_interface(text.strip("[]"))
    except ValueError:
        raise BadValue(_no_ip(text)) from None
    found = typed.network
    if typed.ip != found.network_address:
        raise BadValue(f"“{text}” begins inside its network. Did you mean {network_text(found)}?")
    broadest = _BROADEST_V4 if found.version == 4 else _BROADEST_V6
    if found.prefixlen < broadest:
        raise BadValue(f"“{text}” covers too much of the internet; /{broadest} is the broadest.")
    single = found.num_addresses == 1
    return address_text(found.network_address) if single else network_text(found)


def _no_ip(text: str) -> str:
    if _RANGE.fullmatch(text):
        return f"“{quoted(text)}” is a range; enter each address, or its networks, in rows."
    return f"“{quoted(text)}” is not an IP address."


def port(text: str) -> str:
    text = whole_number(text)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 65535:
        raise BadValue(f"“{quoted(text)}” is not a port; enter a number from 1 to 65535.")
    return str(int(text))


def count(text: str) -> str:
    plain = whole_number(text).replace(" ", "").replace(",", "").replace(".", "")
    if not plain.isascii() or not plain.isdigit() or len(plain) > 9:
        raise BadValue(f"“{quoted(text)}” is not a whole number.")
    return str(int(plain))


def colour(text: str) -> str:
    spelt = text if text.startswith("#") else f"#{text}"
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", spelt):
        raise BadValue(f"“{quoted(text)}” is not a colour; enter six digits such as #0f5f73.")
    return spelt.lower()


def url_prefix(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", text.lower()):
        raise BadValue(
            f"“{quoted(text)}” cannot be a prefix: letters, digits and hyphens, 63 at most."
        )
    return text.lower()


def one_of(choices: Mapping[str, tuple[str, ...]]) -> Parse:
    """A type that accepts the choices and their synonyms."""
    known = {fold(word): kept for kept, also in choices.items() for word in (kept, *also)}
    listed = " or ".join(choices)

    def parse(text: str) -> str:
        found = known.get(fold(text))
        if found is None:
            raise BadValue(f"“{quoted(text)}” is not one of the choices: enter {listed}.")
        return found

    return parse


def fold(text: str) -> str:
    """The letters and digits, case-folded, for comparing headings and choices."""
    return "".join(char for char in text.casefold() if char.isalnum())
