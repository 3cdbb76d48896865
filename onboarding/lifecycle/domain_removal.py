"""Taking domains and hosts out of a case, without losing what was seen of them.

1. What was the client's stays with its history: a domain that was sold was part of the case. Adding
   it again brings both back.
2. What was only typed wrongly goes for good, with what was seen of it: nothing rests on it, and the
   name may be a stranger's.
3. Which of the two it is, and what else follows, is said before it is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Min, Q
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from onboarding.collaboration import share_links
from onboarding.cutovers import planning
from onboarding.errors import OnboardingError
from onboarding.models import (
    Cutover,
    CutoverDecision,
    CutoverSnapshot,
    DomainProgress,
    Drift,
    ShareLink,
)
from onboarding.models.cutovers import join_names
from onboarding.plans.planned_cutovers import is_open
from tenants.activity_names import ActivityName
from tenants.domain_lifecycle import mark_removed
from tenants.models import Domain, Host, Tenant, User
from tenants.services import write_activity

Row = Domain | Host

# A yes of these is the client's own doing; that a stranger's domain has some DMARC record, or a
# short TTL, tells nothing.
_CLIENT_KINDS = (
    *(CheckKind.OWNERSHIP, CheckKind.SPF, CheckKind.DKIM, CheckKind.MX, CheckKind.MESSAGE),
    *(CheckKind.SMTP, CheckKind.LDAPS, CheckKind.LOCKDOWN),
)


@dataclass(frozen=True)
class RemovalEffect:
    """What taking one row out means. `stays`: its history is kept. `answers` were seen of it, the
    first of them at `since`; `cutovers` go on without it, and `links` stop working. Nothing is
    taken out `in_window`: while a window in which it switches is open."""

    row: Row
    stays: bool
    answers: int
    since: datetime | None
    cutovers: tuple[Cutover, ...] = ()
    links: int = 0
    in_window: bool = False

    @property
    def remaining_cutovers(self) -> tuple[Cutover, ...]:
        """The cutovers that lose it, where it may leave."""
        return () if self.in_window else self.cutovers


def leaving(tenant: Tenant, rows: Iterable[Row]) -> list[RemovalEffect]:
    """The consequences, before anything is done."""
    return [_leaving(tenant, row) for row in rows]


def fingerprint(found: Sequence[RemovalEffect]) -> str:
    """What somebody agreed to: other rows, or other consequences, are agreed to anew."""
    return " ".join(sorted(f"{each.row.public_id}:{each.stays:d}" for each in found))


def _leaving(tenant: Tenant, row: Row) -> RemovalEffect:
    checks = Check.objects.filter(tenant=tenant, **_key(row))
    seen = Observation.objects.filter(check_asked__in=checks).aggregate(
        answers=Count("pk"), since=Min("first_seen_at")
    )
    is_verified = checks.filter(kind__in=_CLIENT_KINDS, first_verified_at__isnull=False).exists()
    found = RemovalEffect(row, _stays(tenant, row, is_verified), seen["answers"], seen["since"])
    if isinstance(row, Host):
        return found
    cutovers = tuple(Cutover.objects.filter(domains=row).order_by("planned_at"))
    links = ShareLink.objects.filter(_works(), domain=row).count()
    now = timezone.now()
    in_window = any(is_open(cutover, now) for cutover in cutovers)
    return replace(found, cutovers=cutovers, links=links, in_window=in_window)


def _key(row: Row) -> dict[str, Row]:
    return {"domain" if isinstance(row, Domain) else "host": row}


def _works() -> Q:
    return Q(revoked_at=None, expires_at__gt=timezone.now())


def _stays(tenant: Tenant, row: Row, was_verified: bool) -> bool:
    """Whether anything of the case rests on it: a proof, somebody's word, an evening, a drift."""
    name = str(row)
    if was_verified or Drift.objects.filter(tenant=tenant, subject=name).exists():
        return True
    if isinstance(row, Host):
        return False
    return DomainProgress.objects.filter(domain=row).exists() or name in _names_in_decisions(tenant)


def _names_in_decisions(tenant: Tenant) -> set[str]:
    """The domains of whatever was kept at openings, and decided."""
    kept = CutoverSnapshot.objects.filter(cutover__plan__tenant=tenant)
    decided = CutoverDecision.objects.filter(cutover__plan__tenant=tenant)
    return {
        *(each["domain"] for content in kept.values_list("content", flat=True) for each in content),
        *(
            name
            for content in decided.values_list("content", flat=True)
            for name in content.get("domains", ())
        ),
    }


def remove_subjects(tenant: Tenant, found: Sequence[RemovalEffect], *, by: User) -> None:
    """Do what was said. Cutovers go on without them, and links for a domain stop working."""
    now = timezone.now()
    held = [str(each.row) for each in found if each.in_window]
    if held:
        raise OnboardingError(f"{join_names(held)}: the window is open. Nothing was taken out.")
    with transaction.atomic():
        domains = [each.row for each in found if isinstance(each.row, Domain)]
        planning.release_domains(tenant, domains, by=by)
        share_links.revoke_all(ShareLink.objects.filter(domain__in=domains), by=by)
        # Said of what is no longer there; the activity keeps the words.
        DomainProgress.objects.filter(domain__in=domains).delete()
        for each in found:
            if each.stays:
                mark_removed(each.row, at=now, by=by)
            else:
                each.row.delete()
        for action, stays in (
            (ActivityName.SUBJECTS_REMOVED, True),
            (ActivityName.SUBJECTS_DELETED, False),
        ):
            of_act = [each for each in found if each.stays is stays]
            if of_act:
                names, answers = [str(e.row) for e in of_act], sum(e.answers for e in of_act)
                write_activity(tenant, action, by=by, names=names, answers=answers)
