"""The mail domains of a zone file: names that receive or send mail. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from checks.engine.zone_text import ZoneText, read_zone_text

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


def mail_domains(text: str, origin: str) -> list[MailDomain]:
    """The names of a zone file with MX or SPF records, in the order of the file.

    Relative names are below `origin`, unless the file has a $ORIGIN. Wildcards, names with an
    underscore and names outside the origin are no mail domains. Raises ZoneTextError for a file
    that is too long, or a line that cannot be read.
    """
    zone = read_zone_text(text, origin, max_characters=MAX_CHARACTERS, max_records=MAX_RECORDS)
    outside = {name for note in zone.notes if note.code == "outside" for name in note.names}
    names = dict.fromkeys(owner for owner, rtype in zone.records if rtype in ("MX", "TXT"))
    found = [_mail_domain(name, zone) for name in names if _is_host(name) and name not in outside]
    return [each for each in found if each is not None]


def _is_host(name: str) -> bool:
    return not any(label.startswith(("_", "*")) for label in name.split("."))


def _mail_domain(name: str, zone: ZoneText) -> MailDomain | None:
    exchanges = [record.value.partition(" ")[2] for record in zone.records.get((name, "MX"), ())]
    policies = [
        " ".join(record.value.lower().split())
        for record in zone.records.get((name, "TXT"), ())
        if record.value.lower().startswith("v=spf1")
    ]
    if not exchanges and not policies:
        return None
    return MailDomain(
        name,
        receives=any(exchange != _NULL_MX for exchange in exchanges),
        sends=any(policy != _SENDS_NOTHING for policy in policies),
    )
