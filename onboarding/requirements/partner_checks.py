"""Tests of the partners in the sheet of TLS partners: request, run and show them.

Partners are third parties. A person or a change of the sheet requests a test, at most once in 24
hours for each partner, and for a limited number of partners.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from checks import partner_tls
from checks.engine.outcomes import Verdict
from onboarding.models import RequirementsSheet, SheetRow, TaskRole, TlsPartnerCheck
from onboarding.requirements.sign_off import lock_sheet

MAX_PARTNERS = 50
TEST_EVERY = timedelta(hours=24)
# After a row of occupied addresses, the next request starts again.
MAX_ATTEMPTS = 40


def is_partner_sheet(sheet: RequirementsSheet) -> bool:
    return sheet.kind == TaskRole.GATHERS_TLS_PARTNERS.sheet_kind


def tested_partners(sheet: RequirementsSheet) -> list[str]:
    """The first partners to which the tenant sends mail, without duplicates.

    A server that only sends to the tenant is not the MX host of its domain.
    """
    rows = SheetRow.objects.filter(sheet=sheet).exclude(values__direction="incoming")
    names = rows.order_by("position").values_list("values__domain", flat=True)
    return list(dict.fromkeys(names[: 2 * MAX_PARTNERS]))[:MAX_PARTNERS]


def request_tests(sheet: RequirementsSheet, *, now: datetime) -> list[TlsPartnerCheck]:
    """Request the tests that are allowed now. Partners outside the sheet lose their result."""
    if not is_partner_sheet(sheet):
        return []
    with transaction.atomic():
        locked = lock_sheet(sheet)
        if not locked.task.applies or locked.task.plan.tenant.is_closed:
            return []
        wanted = tested_partners(locked)
        TlsPartnerCheck.objects.filter(sheet=locked).exclude(domain__in=wanted).delete()
        recent = TlsPartnerCheck.objects.filter(sheet=locked, requested_at__gt=now - TEST_EVERY)
        known = set(recent.values_list("domain", flat=True))
        return [
            TlsPartnerCheck.objects.update_or_create(
                sheet=locked, domain=domain, defaults={"requested_at": now}
            )[0]
            for domain in wanted
            if domain not in known
        ]


def run_test(check_id: int, *, now: datetime) -> datetime | None:
    """Test one partner and store the result. Returns the time for another attempt, if needed.

    A test that is done, or whose partner left the sheet, is not run again.
    """
    check = TlsPartnerCheck.objects.filter(pk=check_id).first()
    if check is None or not check.is_in_progress:
        return None
    result = partner_tls.check_partner(check.domain, now=now)
    if isinstance(result, datetime):
        return result
    TlsPartnerCheck.objects.filter(pk=check_id).update(
        checked_at=max(now, check.requested_at),
        verdict=result.verdict.value,
        findings=[{"code": f.code, "params": dict(f.params)} for f in result.findings],
        evidence=result.evidence,
    )
    return None


def abandon_test(check_id: int) -> None:
    """Give up after too many attempts, so that a person can request the test again."""
    abandoned = TlsPartnerCheck.objects.filter(pk=check_id)
    abandoned.filter(checked_at__isnull=True).delete()
    abandoned.update(requested_at=F("checked_at"))


@dataclass(frozen=True)
class PartnerDisplay:
    """The test of the partner of one row. `check` is None before the first request."""

    check: TlsPartnerCheck | None
    is_relaxed: bool

    @property
    def verdict(self) -> str:
        """FAIL is a caution where TLS is relaxed: the partner receives the mail in any case."""
        found = self.check.verdict if self.check else ""
        return Verdict.WARN.value if found == Verdict.FAIL and self.is_relaxed else found


def partner_displays(sheet: RequirementsSheet, rows: list[SheetRow]) -> dict[int, PartnerDisplay]:
    """The tests by primary key of their row; rows of partners that only send have none."""
    if not is_partner_sheet(sheet):
        return {}
    checks = {check.domain: check for check in TlsPartnerCheck.objects.filter(sheet=sheet)}
    return {
        row.pk: PartnerDisplay(checks.get(row.values["domain"]), row.values["mode"] == "relaxed")
        for row in rows
        if row.values["direction"] != "incoming"
    }
