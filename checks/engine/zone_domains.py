"""The mail domains of a zone file: names that receive or send mail. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from checks.engine.zone_text import ZoneText, is_doubled, is_outside, read_zone_text

# A whole zone, and not only the records of one change.
MAX_CHARACTERS = 500_000
MAX_RECORDS = 5000
_NULL_MX = "."
_SENDS_NOTHING = "v=spf1 -all"


@dataclass(frozen=True)
class MailDomain:
    """A name with mail records.

    `receives`: it has MX records other than the null MX (RFC 7505). `sends`: it has an SPF record
    other than `v=spf1 -all`, which permits no sender (RFC 7208 section 5.1).
    """

    name: str
    receives: bool
    sends: bool


def read_zone_file(text: str, origin: str) -> ZoneText:
    """The records of a whole zone. Relative names are below `origin`, unless it has a $ORIGIN.

    Raises ZoneTextError for a file that is too long, or a line that cannot be read.
    """
    return read_zone_text(text, origin, max_characters=MAX_CHARACTERS, max_records=MAX_RECORDS)


def unread_lines(zone: ZoneText) -> list[int]:
    """The lines with $INCLUDE or $GENERATE, whose records are missing."""
    return [line for note in zone.notes if note.code == "not-read" for line in note.lines]


def mail_domains(zone: ZoneText, origin: str) -> list[MailDomain]:
    """The names of a zone file with MX or SPF records, in the order of the file.

    Wildcards, names with an underscore and names outside the origin are no mail domains. A name
    that was probably meant as complete is none below the origin either.
    """
    doubtful = {name for note in zone.notes if note.code == "relative-name" for name in note.names}
    owners = dict.fromkeys(owner for owner, rtype in zone.records if rtype in ("MX", "TXT"))
    found: dict[str, MailDomain] = {}
    for owner in owners:
        # A name that repeats the origin is complete, and only lacks its final dot.
        name = owner.removesuffix(f".{origin}") if is_doubled(owner, origin) else owner
        is_named = _is_host(name) and name not in doubtful
        domain = _mail_domain(name, owner, zone) if is_named else None
        if domain is not None and not is_outside(name, origin):
            other = found.get(name, domain)
            found[name] = MailDomain(
                name, domain.receives or other.receives, domain.sends or other.sends
            )
    return list(found.values())


def _is_host(name: str) -> bool:
    return not any(label.startswith(("_", "*")) for label in name.split("."))


def _mail_domain(name: str, owner: str, zone: ZoneText) -> MailDomain | None:
    exchanges = [record.value.partition(" ")[2] for record in zone.records.get((owner, "MX"), ())]
    policies = [
        " ".join(record.value.lower().split())
        for record in zone.records.get((owner, "TXT"), ())
        if record.value.lower().startswith("v=spf1")
    ]
    if not exchanges and not policies:
        return None
    return MailDomain(
        name,
        receives=any(exchange != _NULL_MX for exchange in exchanges),
        sends=any(policy != _SENDS_NOTHING for policy in policies),
    )
