"""The rollback of a cutover: records to restore, their duration and their verdict. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checks.engine.dns.consensus import ANSWERED_STATUSES, UNANSWERED_CODES
from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.cutovers.change_sheets import ZoneRecordLine, is_spf


@dataclass(frozen=True)
class RollbackSheet:
    """One domain's records to restore.

    `verdict` is PASS if every server publishes exactly them, FAIL if one publishes other records,
    and UNKNOWN if one does not answer. `differed`: the servers already disagreed in the snapshot,
    so that there is no single set to restore. `duration_seconds` is the highest TTL now.
    """

    domain: str
    check: Check | None
    checked_at: datetime | None
    lines: tuple[ZoneRecordLine, ...]
    verdict: Verdict
    lagging: tuple[str, ...] = ()
    differed: bool = False
    duration_seconds: int | None = None

    @property
    def zone_text(self) -> str:
        return "\n".join(map(str, self.lines))


def build_rollback_sheet(
    entry: Mapping[str, Any], check: Check | None, *, is_stale: bool = False
) -> RollbackSheet:
    """Compare an entry of a snapshot with the check's newest answers.

    `is_stale`: the newest answers are too old for a verdict.
    """
    kind = CheckKind(entry["kind"])
    before = [_values(kind, row) for row in entry["servers"]]
    differed = len(set(before)) > 1
    rows = _rows_now(check)
    lagging = tuple(
        f"{row['name']} ({row['address']})"
        for row in rows
        if row.get("status") in ANSWERED_STATUSES and before and _values(kind, row) != before[0]
    )
    ttls = [row["ttl"] for row in rows if row.get("ttl") is not None]
    return RollbackSheet(
        domain=entry["domain"],
        check=check,
        checked_at=datetime.fromisoformat(entry["last_seen_at"]) if before else None,
        lines=_lines(entry, kind),
        verdict=_verdict(
            rows,
            lagging,
            is_known=bool(before)
            and not differed
            and not is_stale
            and _all_servers_answered(check),
        ),
        lagging=lagging if not differed else (),
        differed=differed,
        duration_seconds=max(ttls, default=None),
    )


def _rows_now(check: Check | None) -> Sequence[Mapping[str, Any]]:
    latest = check.latest if check is not None else None
    rows: Sequence[Mapping[str, Any]] = latest.evidence.get("servers", ()) if latest else ()
    return rows


def _all_servers_answered(check: Check | None) -> bool:
    """A server without an address has no row, only a finding."""
    latest = check.latest if check is not None else None
    return latest is not None and not any(f["code"] in UNANSWERED_CODES for f in latest.findings)


def _values(kind: CheckKind, row: Mapping[str, Any]) -> frozenset[str]:
    values = row.get("values") or ()
    return frozenset(v for v in values if kind is CheckKind.MX or is_spf(v))


def _lines(entry: Mapping[str, Any], kind: CheckKind) -> tuple[ZoneRecordLine, ...]:
    rtype = "MX" if kind is CheckKind.MX else "TXT"
    ttls: dict[str, int] = {}
    for row in entry["servers"]:
        for value in _values(kind, row):
            ttls[value] = max(ttls.get(value, 0), row.get("ttl") or 0)
    return tuple(
        ZoneRecordLine(entry["domain"], ttls[value], rtype, value) for value in sorted(ttls)
    )


def _verdict(
    rows: Sequence[Mapping[str, Any]], lagging: Sequence[str], *, is_known: bool
) -> Verdict:
    if not is_known or not rows:
        return Verdict.UNKNOWN
    if lagging:
        return Verdict.FAIL
    return (
        Verdict.PASS
        if all(row.get("status") in ANSWERED_STATUSES for row in rows)
        else Verdict.UNKNOWN
    )
