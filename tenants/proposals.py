"""Values that clients enter from their console, until a consultant confirms or rejects them. Pure.

1. A client proposes a value. It is stored next to the confirmed one and never replaces it.
2. A consultant confirms it, and it becomes the domain's value; or rejects it with a reason.

The columns of Domain that a profile shows contain confirmed values only. A proposed host is a Host
that no consultant has confirmed (`Host.is_proposed`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.utils.dateparse import parse_datetime

from tenants.models import Domain, Host


class ProposalKind(StrEnum):
    """The values of a domain that a client may propose."""

    OWNERSHIP = "ownership"
    DKIM = "dkim"

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns of Domain with the confirmed value."""
        return _FIELDS[self]

    @property
    def label(self) -> str:
        return _LABELS[self]


_FIELDS = {
    ProposalKind.OWNERSHIP: ("ownership_token", "ownership_label"),
    ProposalKind.DKIM: ("dkim_selectors",),
}
_LABELS = {ProposalKind.OWNERSHIP: "ownership code", ProposalKind.DKIM: "DKIM selectors"}

# More would be a list of guesses, and each becomes a check.
MOST_PROPOSED_HOSTS = 20

Values = Mapping[str, str]


@dataclass(frozen=True)
class Proposal:
    """A proposed value, with the person who proposed it. `rejected_by` is empty until then."""

    by: str
    at: datetime | None
    values: Values
    rejected_by: str = ""
    reason: str = ""

    @property
    def text(self) -> str:
        return text_of(self.values)

    @property
    def label(self) -> str:
        """The label of the value on every page."""
        return proposed_label(self.by)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.values)


def proposed_label(name: str) -> str:
    """The words next to each value that no consultant has confirmed."""
    return f"proposed by {name}, not confirmed yet"


def text_of(values: Values) -> str:
    return ", ".join(value for value in values.values() if value)


def fingerprint(values: Values) -> str:
    """A digest of the values, so that a decision covers only the values on the page."""
    text = json.dumps(sorted(values.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def confirmed_values(domain: Domain, kind: ProposalKind) -> dict[str, str]:
    """The confirmed values by column. Each is empty until a consultant enters or confirms it."""
    return {name: getattr(domain, name) for name in kind.fields}


def has_confirmed(domain: Domain, kind: ProposalKind) -> bool:
    return any(confirmed_values(domain, kind).values())


def proposal_of(domain: Domain, kind: ProposalKind) -> Proposal | None:
    """The open proposal of a domain, or None."""
    found = _stored(domain, kind)
    return found if found is not None and not found.rejected_by else None


def rejection_of(domain: Domain, kind: ProposalKind) -> Proposal | None:
    """The newest proposal, if a consultant rejected it."""
    found = _stored(domain, kind)
    return found if found is not None and found.rejected_by else None


def _stored(domain: Domain, kind: ProposalKind) -> Proposal | None:
    data: dict[str, Any] | None = domain.proposals.get(kind.value)
    if data is None:
        return None
    return Proposal(
        by=data["by"],
        at=parse_datetime(data["at"]),
        values={name: data["values"].get(name, "") for name in kind.fields},
        rejected_by=data.get("rejected_by", ""),
        reason=data.get("reason", ""),
    )


def proposal_as_data(values: Values, *, by: str, at: datetime) -> dict[str, Any]:
    """The proposal as the JSON that `Domain.proposals` stores below its kind."""
    return {"values": dict(values), "by": by, "at": at.isoformat()}


def without_agreed(domain: Domain, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The stored proposals without those that equal the confirmed values now, and without
    rejections that a confirmed value has answered."""
    return {
        kind: data
        for kind, data in stored.items()
        if not _is_settled(domain, ProposalKind(kind), data)
    }


def _is_settled(domain: Domain, kind: ProposalKind, data: Mapping[str, Any]) -> bool:
    confirmed = confirmed_values(domain, kind)
    if data.get("rejected_by"):
        return any(confirmed.values())
    return {name: data["values"].get(name, "") for name in kind.fields} == confirmed


def values_in_use(domain: Domain, kind: ProposalKind) -> dict[str, str]:
    """The values that checks and records use: the confirmed ones, else the proposed ones.

    Proposed values are used only while the domain has no confirmed value of the kind, so that no
    proposal changes the question of a check that a consultant confirmed.
    """
    confirmed = confirmed_values(domain, kind)
    proposal = None if any(confirmed.values()) else proposal_of(domain, kind)
    return confirmed if proposal is None else dict(proposal.values)


def proposal_in_use(domain: Domain, kind: ProposalKind) -> Proposal | None:
    """The proposal whose values checks and records use, or None if they are confirmed."""
    return None if has_confirmed(domain, kind) else proposal_of(domain, kind)


@dataclass(frozen=True)
class OpenProposal:
    """One row of the list of open proposals. `kind` is empty for a host."""

    subject: Domain | Host
    kind: ProposalKind | None
    proposal: Proposal
    # The confirmed value that the proposal would replace.
    current: str = ""

    @property
    def title(self) -> str:
        return self.kind.label if self.kind is not None else "delivery host"


def open_proposals(domains: Iterable[Domain], hosts: Iterable[Host]) -> list[OpenProposal]:
    """The proposals that wait for a decision. Each proposed host needs its `proposed_by` loaded."""
    found = []
    for domain in domains:
        for kind in ProposalKind:
            proposal = proposal_of(domain, kind)
            if proposal is not None:
                current = text_of(confirmed_values(domain, kind))
                found.append(OpenProposal(domain, kind, proposal, current))
    found += [OpenProposal(host, None, host_proposal(host)) for host in hosts if host.is_proposed]
    return found


def host_proposal(host: Host) -> Proposal:
    """A proposed host as a proposal, with its name and its port."""
    return Proposal(host.proposer, host.proposed_at, {"host": str(host)})
