"""Read lines of a zone file as DNS hosts export them (RFC 1035 section 5.1). Pure.

Exports deviate from the standard: a long text in one string, an alias next to other records, types
of one DNS host, names without the final dot. Each such line is read or ignored, and a note has
its number in the pasted text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import idna

from checks.engine.almost_records import describe_character
from checks.engine.dns.lookup import Record
from checks.engine.dns.public_suffix import is_public_suffix, organisational_domain
from checks.engine.zone_lines import ZoneLine, ZoneTextError, ZoneToken, is_invisible, logical_lines
from checks.engine.zone_texts import txt_value
from checks.engine.zone_types import (
    ALONE_BY_ALIAS,
    FLATTENED_TYPES,
    OTHER_TYPES,
    READ_TYPES,
    is_misread,
    is_ttl,
    resembles_complete,
    ttl_in_words,
    ttl_seconds,
    without_phrase,
)

MAX_CHARACTERS = 20_000
MAX_RECORDS = 300
DEFAULT_TTL = 3600
_MAX_NAME = 253
# The other classes of RFC 1035 section 3.2.4.
_OTHER_CLASSES = ("CH", "HS")
# Windows writes the time of the last refresh behind the name.
_AGING = re.compile(r"\[AG(?:E|ING):[0-9]+\]", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_*/-]{1,63}")
_ADDRESS = re.compile(r"[0-9a-f.:]+", re.IGNORECASE)
# Byte order mark and marks of the writing direction.
_MARKS = "\ufeff\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069"
_TYPE = re.compile(r"[A-Z][A-Z0-9-]{0,15}", re.IGNORECASE)


_PROMINENT = frozenset(
    {"outside", "no-final-dot", "not-read", "invisible", "invisible-removed", "comment"}
    | {"semicolon", "alias-conflict", "relative-name", "unknown-type"}
)


@dataclass(frozen=True)
class ZoneNote:
    """A deviation that was corrected or ignored. `lines` are numbers in the pasted text.

    `code` is one of: ignored, not-read, outside, flattened, split, unquoted, no-preference,
    no-final-dot, invisible, invisible-removed, comment, semicolon, alias-conflict, relative-name,
    unknown-type. `names` are names, or the details that the wording of the code shows.
    """

    code: str
    lines: tuple[int, ...]
    names: tuple[str, ...] = ()

    @property
    def is_prominent(self) -> bool:
        """Whether the proposal does not mean what its reader expects."""
        return self.code in _PROMINENT


@dataclass(frozen=True)
class ZoneText:
    """The records of a text by name and type, and the notes about its lines."""

    records: Mapping[tuple[str, str], tuple[Record, ...]]
    notes: tuple[ZoneNote, ...] = ()


@dataclass
class _Reader:
    """The state between lines: origin, TTL and owner, and what was found so far."""

    domain: str
    origin: str
    ttl: int = DEFAULT_TTL
    owner: str = ""
    typed_owner: str = ""
    # Whether `owner` is `typed_owner` below the origin.
    is_relative: bool = False
    # The reason why `owner` is empty, where the last name cannot be read.
    owner_problem: str = ""
    found: list[tuple[int, Record]] = field(default_factory=list)
    # The names with records of other types, and those of zones, which have an SOA record.
    others: set[str] = field(default_factory=set)
    zones: set[str] = field(default_factory=set)
    noted: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def note(self, code: str, line: int, name: str) -> None:
        self.noted.setdefault(code, []).append((line, name))


def read_zone_text(
    text: str,
    domain: str,
    *,
    max_characters: int = MAX_CHARACTERS,
    max_records: int = MAX_RECORDS,
) -> ZoneText:
    """Return the MX, TXT and CNAME records of a text. Relative names are below `domain`.

    Raises ZoneTextError for a text that is too long, or a line that cannot be read.
    """
    if len(text) > max_characters:
        raise ZoneTextError(f"more than {max_characters} characters")
    if text.lstrip(f"{_MARKS} \t\r\n").startswith(("{", "[{")):
        raise ZoneTextError("this is JSON; export the zone as a zone file (BIND format)")
    reader = _Reader(domain, domain)
    for line in logical_lines(text):
        _read_line(reader, line)
    if len(reader.found) > max_records:
        raise ZoneTextError(f"more than {max_records} records")
    _read_aliases(reader)
    records: dict[tuple[str, str], dict[str, Record]] = {}
    for number, record in reader.found:
        # A set has each value once (RFC 2181 section 5). Of two TTLs the longer counts.
        values = records.setdefault((record.owner, record.rtype), {})
        values[record.value] = max(values.get(record.value, record), record, key=_ttl_of)
        if domain and is_outside(record.owner, domain):
            reader.note("outside", number, record.owner)
    sets = {key: tuple(found.values()) for key, found in records.items()}
    return ZoneText(sets, tuple(_notes(reader)))


def _ttl_of(record: Record) -> int:
    return record.ttl


def is_outside(owner: str, domain: str) -> bool:
    """Return whether no check of the domain reads the name: elsewhere, or under a doubled name."""
    return not f".{owner}".endswith(f".{domain}") or is_doubled(owner, domain)


def is_doubled(owner: str, domain: str) -> bool:
    """Return whether the name repeats the domain, as one without its final dot does."""
    return f".{owner}".endswith(f".{domain}.{domain}")


def _notes(reader: _Reader) -> Iterator[ZoneNote]:
    for code, found in reader.noted.items():
        lines = tuple(dict.fromkeys(number for number, _ in found))
        yield ZoneNote(code, lines, tuple(dict.fromkeys(name for _, name in found)))


def _read_line(reader: _Reader, line: ZoneLine) -> None:
    first = line.tokens[0].text
    if first.startswith("$") and not line.tokens[0].is_quoted:
        _read_directive(reader, line)
        return
    tokens = list(line.tokens)
    named = [] if line.continues_owner else tokens[:1]
    if line.was_indented and not line.continues_owner and _lacks_name(reader, tokens):
        # The indentation had a meaning: the line continues a name. As a name, `IN` would be wrong.
        raise ZoneTextError(f"line {line.number}: no name")
    if not line.continues_owner:
        tokens = _read_name(reader, tokens, line.number)
    if not reader.owner and not reader.owner_problem:
        raise ZoneTextError(f"line {line.number}: no name")
    words = len(tokens)
    ttl = _read_ttl(reader, tokens)
    head = line.tokens[len(named) : len(line.tokens) - len(tokens)]
    rtype, values = _record_type(reader, tokens, line.number), tokens[1:]
    if any(token.text.upper() in _OTHER_CLASSES for token in head):
        # A zone of the internet has no such records, and no receiver queries them.
        reader.note("ignored", line.number, rtype)
        return
    if words == len(tokens):
        _refuse_prose(line.number, rtype, values)
    if rtype in READ_TYPES:
        _note_removed(reader, line.number, [*named, *(values if rtype != "TXT" else ())])
    _read_record(reader, line, rtype, values, ttl)


def _read_name(reader: _Reader, tokens: list[ZoneToken], number: int) -> list[ZoneToken]:
    """Set the owner from the first token, and return the others, with a type in front."""
    typed, rest = tokens[0].text, tokens[1:]
    phrased = without_phrase(rest)
    if phrased is not None and "." in typed:
        typed = typed.removesuffix(".") + "."
    reader.typed_owner = typed
    reader.is_relative = bool(reader.origin) and not typed.endswith((".", "@"))
    reader.owner, reader.owner_problem = _owner(reader, typed, number)
    return rest if phrased is None else phrased


def _note_removed(reader: _Reader, number: int, tokens: Sequence[ZoneToken]) -> None:
    """Note the invisible characters in names, which a DNS host may publish or refuse.

    One at the start of a line, such as a byte order mark, belongs to the copied text.
    """
    for token in tokens:
        copied = token.typed if token.gap or token is not tokens[0] else token.typed.lstrip(_MARKS)
        for char in filter(_is_removed, copied):
            reader.note("invisible-removed", number, describe_character(char))


def _is_removed(char: str) -> bool:
    """Return whether names are read without the character: invisible, or ignored by IDNA.

    The mapping of UTS 46 (section 4) ignores combining characters such as U+FE0F and U+034F.
    """
    if char.isascii() or is_invisible(char):
        return is_invisible(char)
    try:
        return not idna.uts46_remap(char)
    except idna.IDNAError:
        return False


def _lacks_name(reader: _Reader, tokens: Sequence[ZoneToken]) -> bool:
    """Return whether the first word is a TTL, a class or a type in front of a value."""
    rest = list(tokens)
    _read_ttl(reader, rest)
    if len(rest) < len(tokens):
        return bool(rest) and rest[0].text.upper() in READ_TYPES | OTHER_TYPES
    if tokens[0].text.upper() not in READ_TYPES | OTHER_TYPES:
        return False
    # `mx A 192.0.2.1` has a name, and `MX 10 mail` has none.
    rest = list(tokens[1:])
    _read_ttl(reader, rest)
    return not rest or rest[0].text.upper() not in READ_TYPES | OTHER_TYPES


def _read_ttl(reader: _Reader, tokens: list[ZoneToken]) -> int:
    """Remove TTL, class and aging mark from the tokens, and return the TTL in seconds.

    RFC 1035 section 5.1: TTL and class are optional and occur in any order. Tables of DNS hosts
    have a TTL in words.
    """
    ttl, place = reader.ttl, 0
    while place < len(tokens) and not tokens[place].is_quoted:
        text = tokens[place].text
        in_words = ttl_in_words(tokens[place : place + 3], reader.ttl)
        if in_words is not None:
            ttl, words = in_words
            place += words
            continue
        if is_ttl(text) and place + 1 < len(tokens):
            ttl = ttl_seconds(text)
        elif text.upper() not in ("IN", *_OTHER_CLASSES) and not _AGING.fullmatch(text):
            break
        place += 1
    del tokens[:place]
    return ttl


def _record_type(reader: _Reader, tokens: Sequence[ZoneToken], number: int) -> str:
    """Return the type in upper case. Raises ZoneTextError without one.

    A name that cannot be read matters only to the types of a check, and to unknown words.
    """
    if not tokens or not _TYPE.fullmatch(tokens[0].text):
        raise ZoneTextError(reader.owner_problem or f"line {number}: no record type")
    rtype = tokens[0].text.upper()
    if reader.owner_problem and rtype not in OTHER_TYPES:
        raise ZoneTextError(reader.owner_problem)
    return rtype


def _owner(reader: _Reader, text: str, number: int) -> tuple[str, str]:
    """Return the absolute name, or else the problem, which only matters to records of a check.

    Names of devices and services may contain any character, such as a space.
    """
    try:
        return _absolute(reader, text, number), ""
    except ZoneTextError as error:
        return "", str(error)


def _refuse_prose(number: int, rtype: str, values: Sequence[ZoneToken]) -> None:
    """Refuse prose such as “not a record”: it has a word where zone text has the type.

    With a TTL or a class it is a record, such as `A Parked` of GoDaddy.
    """
    is_address = all(_ADDRESS.fullmatch(each.text) for each in values)
    if rtype in ("A", "AAAA") and not is_address:
        raise ZoneTextError(f"line {number}: this is no {rtype} record")


def _read_directive(reader: _Reader, line: ZoneLine) -> None:
    name, values = line.tokens[0].text.upper(), [token.text for token in line.tokens[1:]]
    # $INCLUDE reads files of this machine, and $GENERATE makes millions of records of one line.
    if name in ("$INCLUDE", "$GENERATE"):
        reader.note("not-read", line.number, name)
        return
    if name not in ("$ORIGIN", "$TTL") or len(values) != 1:
        raise ZoneTextError(f"line {line.number}: a directive other than $ORIGIN and $TTL")
    if name == "$ORIGIN":
        reader.origin = _origin(reader, values[0], line.number)
    elif is_ttl(values[0]):
        reader.ttl = ttl_seconds(values[0])
    else:
        raise ZoneTextError(f"line {line.number}: “{values[0][:40]}” is no TTL")


def _origin(reader: _Reader, text: str, number: int) -> str:
    """Return the origin of the following lines; empty for the root.

    Azure exports the name of the zone without its final dot.
    """
    if text == ".":
        return ""
    if reader.domain and text.lower() == reader.domain:
        reader.note("no-final-dot", number, text.lower())
        return reader.domain
    return _absolute(reader, text, number)


def _absolute(reader: _Reader, text: str, number: int) -> str:
    name = text.lower()
    if name == "@":
        return reader.origin or "."
    # Some exports write a name below the origin with the sign of the origin at its end.
    name = name.removesuffix(".@")
    full = name.removesuffix(".") if name.endswith(".") else f"{name}.{reader.origin}".strip(".")
    full = _in_a_labels(full)
    if len(full) > _MAX_NAME or not all(map(_LABEL.fullmatch, full.split("."))):
        stray = next((describe_character(c) for c in full if not c.isascii()), "")
        named = f", because it contains {stray}" if stray else ""
        raise ZoneTextError(f"line {number}: “{text[:40]}” is no name{named}")
    return full


def _in_a_labels(name: str) -> str:
    try:
        return name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        return name


def _target(reader: _Reader, text: str, number: int) -> str:
    """Return the name that a record points at.

    Many exports omit the final dot. A name that ends in a registered domain is meant as complete.
    """
    if text == ".":
        return "."
    bare = text.lower().removesuffix(".")
    if "." in bare and not text.endswith(".") and _is_registered(bare, reader.origin):
        reader.note("no-final-dot", number, bare)
        return _absolute(reader, f"{bare}.", number)
    return _absolute(reader, text, number)


def _is_registered(name: str, origin: str) -> bool:
    suffix = name.rpartition(".")[2]
    is_known = is_public_suffix(suffix) or suffix == origin.rpartition(".")[2]
    return is_known and organisational_domain(name) != suffix


def _read_record(
    reader: _Reader, line: ZoneLine, rtype: str, tokens: Sequence[ZoneToken], ttl: int
) -> None:
    number = line.number
    if rtype in FLATTENED_TYPES:
        reader.note("flattened", number, rtype)
        return
    if rtype not in READ_TYPES:
        _ignore_record(reader, number, rtype, tokens)
        return
    if not tokens:
        raise ZoneTextError(f"line {number}: a {rtype} record without a value")
    if rtype == "TXT":
        read = txt_value(line, tokens, reader.owner)
        value = read.text
        for code, detail in read.notes:
            reader.note(code, number, detail)
    elif rtype == "CNAME":
        value = _target(reader, tokens[0].text, number)
    else:
        value = _exchange(reader, number, tokens)
    reader.found.append((number, Record(reader.owner, rtype, ttl, value)))
    if (
        reader.is_relative
        and reader.domain
        and not is_outside(reader.owner, reader.domain)
        and resembles_complete(reader.typed_owner, reader.domain, rtype)
    ):
        reader.note("relative-name", number, reader.owner)


def _ignore_record(reader: _Reader, number: int, rtype: str, tokens: Sequence[ZoneToken]) -> None:
    """Note a record that no check reads, or a line that was probably meant as another."""
    if is_misread(rtype, reader.typed_owner, tokens):
        reader.note("unknown-type", number, rtype)
        return
    reader.note("ignored", number, rtype)
    if rtype == "SOA":
        reader.zones.add(reader.owner)
    if rtype in ALONE_BY_ALIAS:
        reader.others.add(reader.owner)


def _exchange(reader: _Reader, number: int, tokens: Sequence[ZoneToken]) -> str:
    values = [token.text for token in tokens]
    if len(values) == 1 and not values[0].isdigit():
        reader.note("no-preference", number, values[0])
        values = ["10", *values]
    preference = values[0]
    if len(values) != 2 and preference.isdigit():
        raise ZoneTextError(f"line {number}: an MX record has a preference and one host")
    if len(values) != 2 or not (preference.isascii() and preference.isdigit()):
        raise ZoneTextError(f"line {number}: “{preference[:40]}” is no MX preference")
    if int(preference[:6]) > 65_535:
        raise ZoneTextError(f"line {number}: an MX preference is at most 65535")
    return f"{int(preference)} {_target(reader, values[1], number)}"


def _read_aliases(reader: _Reader) -> None:
    """Ignore an alias next to other records of a zone, and note one at any other name.

    The DNS host of a zone answers with the addresses of the target. Below, a name with an alias has
    no other records (RFC 1034 section 3.6.2) and no second alias (RFC 2181 section 10.1).
    """
    aliases: dict[str, set[str]] = {}
    for _, record in reader.found:
        if record.rtype == "CNAME":
            aliases.setdefault(record.owner, set()).add(record.value)
    read = {record.owner for _, record in reader.found if record.rtype != "CNAME"}
    is_several = {owner for owner, targets in aliases.items() if len(targets) > 1}
    conflicts = {
        owner
        for owner in is_several | (aliases.keys() & (read | reader.others))
        if not _is_zone(reader, owner)
    }
    kept = []
    for number, record in reader.found:
        if record.owner in conflicts:
            reader.note("alias-conflict", number, record.owner)
        elif record.rtype == "CNAME" and record.owner in read:
            reader.note("flattened", number, "CNAME")
            continue
        kept.append((number, record))
    reader.found = kept


def _is_zone(reader: _Reader, owner: str) -> bool:
    """Return whether the name is that of a zone: a registered domain, or one with an SOA record."""
    name = owner
    if reader.domain and is_doubled(owner, reader.domain):
        name = owner.removesuffix(f".{reader.domain}")
    return owner in reader.zones or organisational_domain(name) == name
