"""Parse an MTA-STS record and policy (RFC 8461 sections 3.1 and 3.2). Pure, and never raises."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MODES = ("enforce", "testing", "none")
# RFC 8461 section 3.2: about a year.
MAX_AGE = 31_557_600
# Section 3.1: fields have no white space around `=`, and values of extensions no `=` or space.
_WHITE = " \t"
_ID = re.compile(r"id=(?P<id>[A-Za-z0-9]{1,32})")
_EXTENSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]+")
# Section 3.2: no white space before the colon or at the start of a line, any behind them.
_FIELD = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(?P<value>\S(?:[^\r\n]*\S)?)[ \t]*"
)
# ["*."] Domain, and Domain by RFC 5321 section 4.1.2: letters, digits and hyphens, no final dot.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MX = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_MAX_HOSTS = 100
_MAX_SHOWN = 80


@dataclass(frozen=True)
class MtaStsPolicy:
    """The MX hosts that senders may deliver to. Senders cache the policy for `max_age` seconds."""

    mode: str
    max_age: int
    mx: tuple[str, ...]

    def permits(self, host: str) -> bool:
        """Return whether the policy permits the host: by its name, or by a wildcard.

        A wildcard replaces exactly the first label (RFC 8461 section 4.1).
        """
        host = host.lower().removesuffix(".")
        return host in self.mx or "*." + host.partition(".")[2] in self.mx


@dataclass(frozen=True)
class InvalidMtaSts:
    """A record or policy that senders ignore; `problem` is the invalid part."""

    problem: str


def select(values: Sequence[str]) -> list[str]:
    """Return the texts that begin with v=STSv1; senders discard others (RFC 8461 section 3.1)."""
    return [value for value in values if re.match(r"v=STSv1[ \t]*(;|$)", value)]


def parse_id(record: str) -> str | InvalidMtaSts:
    """Return the id of a record by the grammar of RFC 8461 section 3.1, as strict senders do.

    Senders discard a record outside the grammar, and so see no policy. They fetch the policy again
    when the id changes.
    """
    # White space surrounds each `;`, and so has no place at the start or end of the record.
    fields = [part.lstrip(_WHITE) for part in record.split(";")]
    version, *fields = [*(part.rstrip(_WHITE) for part in fields[:-1]), fields[-1]]
    # One final delimiter is valid.
    if fields and not fields[-1]:
        fields.pop()
    if version != "v=STSv1" or record[0] != "v":
        return InvalidMtaSts(_shown_field(version))
    ids: list[str] = []
    for field in fields:
        match = _ID.fullmatch(field)
        if match is not None:
            ids.append(match["id"])
        elif field.startswith("id=") or not _EXTENSION.fullmatch(field):
            return InvalidMtaSts(_shown_field(field))
    # The grammar permits a second id, but senders differ on the one that counts.
    if len(ids) != 1:
        return InvalidMtaSts("; ".join(f"id={each}" for each in ids or [""])[:_MAX_SHOWN])
    return ids[0]


def parse(body: bytes) -> MtaStsPolicy | InvalidMtaSts:
    """Parse a policy file by the grammar of RFC 8461 section 3.2, as strict senders do.

    Unknown keys are ignored. Of a repeated key other than mx, the first counts.
    """
    fields: dict[str, str] = {}
    hosts: list[str] = []
    text = body.decode("utf-8", errors="replace")
    for line in text.removesuffix("\n").removesuffix("\r").split("\n"):
        field = _FIELD.fullmatch(line.removesuffix("\r"))
        if field is None or not _is_printable(field["value"]):
            return InvalidMtaSts(_shown(line))
        name, value = field["name"], field["value"]
        if name != "mx":
            fields.setdefault(name, value)
        elif _MX.fullmatch(value):
            hosts.append(value.lower())
        else:
            return InvalidMtaSts(_shown(line))
    return _policy(fields, hosts)


def _is_printable(value: str) -> bool:
    """RFC 8461 section 3.2: an extension may have spaces and any UTF-8, but no control."""
    return "\ufffd" not in value and not any(char < " " or char == "\x7f" for char in value)


def _shown(line: str) -> str:
    """Return the line with its invisible characters visible, such as a final dot or a tab."""
    return _escaped(line.strip(" "))[:_MAX_SHOWN] or "empty line"


def _shown_field(field: str) -> str:
    """Return the field with its invisible characters visible, also with a space at its end."""
    shown = _escaped(field)
    return (shown.removesuffix(" ") + "\\x20" if shown.endswith(" ") else shown)[:_MAX_SHOWN] or ";"


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode()


def _shown_key(fields: Mapping[str, str], wanted: str) -> str:
    """Return the field as written, or one whose name is spelled differently, such as `Max-Age`."""
    spelled = {name.lower().replace("-", "_"): name for name in fields}
    name = wanted if wanted in fields else spelled.get(wanted, wanted)
    return _shown(f"{name}: {fields.get(name, '')}")


def _policy(fields: Mapping[str, str], hosts: Sequence[str]) -> MtaStsPolicy | InvalidMtaSts:
    mode, age = fields.get("mode", ""), fields.get("max_age", "")
    if fields.get("version") != "STSv1":
        return InvalidMtaSts(_shown_key(fields, "version"))
    if mode not in MODES:
        return InvalidMtaSts(_shown_key(fields, "mode"))
    if not (age.isascii() and age.isdigit() and len(age) <= 10 and int(age) <= MAX_AGE):
        return InvalidMtaSts(_shown_key(fields, "max_age"))
    # RFC 8461 section 3.2: only mode none may omit mx.
    if not hosts and mode != "none":
        return InvalidMtaSts("mx:")
    return MtaStsPolicy(mode, int(age), tuple(dict.fromkeys(hosts))[:_MAX_HOSTS])
