"""Removal of domains and hosts from a tenant.

1. A domain or host with evidence stays in the database with its history: a sold domain was part of
   the implementation. Adding it again restores both.
2. A domain or host without evidence was a typing error. Gangway deletes it with its observations,
   because the name may belong to a stranger.
3. The page shows these effects before the removal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Min, Q

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
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.domain_lifecycle import mark_removed
from tenants.models import Domain, Host, Tenant, User
from tenants.services import write_activity

Row = Domain | Host

# A PASS of these kinds needs an action of the client. A DMARC record or a short TTL proves nothing:
# a stranger's domain may have them.
_CLIENT_KINDS = (
    *(CheckKind.OWNERSHIP, CheckKind.SPF, CheckKind.DKIM, CheckKind.MX, CheckKind.MESSAGE),
    *(CheckKind.SMTP, CheckKind.LDAPS, CheckKind.LOCKDOWN),
)


@dataclass(frozen=True)
class RemovalEffect:
    """The effects of removing one domain or host.

    `stays`: the row keeps its history. `answers` is the number of its observations, the first at
    `since`. `cutovers` continue without it, and `links` share links stop working. `in_window`: a
    window in which it switches is open, so Gangway rejects the removal.
    """

    row: Row
    stays: bool
    answers: int
    since: datetime | None
    cutovers: tuple[Cutover, ...] = ()
    links: int = 0
    in_window: bool = False

    @property
    def remaining_cutovers(self) -> tuple[Cutover, ...]:
        """The cutovers that lose the domain; empty if the removal is rejected."""
        return () if self.in_window else self.cutovers

    @property
    def may_need_reason(self) -> bool:
        """Whether an outbound cutover loses the domain, so that inbound mail may switch first."""
        return any(each.direction == Cutover.Direction.OUTBOUND for each in self.remaining_cutovers)


def removal_effects(tenant: Tenant, rows: Iterable[Row]) -> list[RemovalEffect]:
    """The effects of removing these rows. Changes nothing."""
    return [_effect(tenant, row) for row in rows]


def fingerprint(effects: Sequence[RemovalEffect]) -> str:
    """Identifies the confirmed effects. Other rows or other effects need a new confirmation."""
    return " ".join(sorted(f"{each.row.public_id}:{each.stays:d}" for each in effects))


def _effect(tenant: Tenant, row: Row) -> RemovalEffect:
    checks = Check.objects.filter(tenant=tenant, **_key(row))
    observed = Observation.objects.filter(check_asked__in=checks).aggregate(
        answers=Count("pk"), since=Min("first_seen_at")
    )
    is_verified = checks.filter(kind__in=_CLIENT_KINDS, first_verified_at__isnull=False).exists()
    effect = RemovalEffect(
        row, _stays(tenant, row, is_verified), observed["answers"], observed["since"]
    )
    if isinstance(row, Host):
        return effect
    cutovers = tuple(Cutover.objects.filter(domains=row).order_by("planned_at"))
    links = ShareLink.objects.filter(_is_active(), domain=row).count()
    now = database_time.now()
    in_window = any(is_open(cutover, now) for cutover in cutovers)
    return replace(effect, cutovers=cutovers, links=links, in_window=in_window)


def _key(row: Row) -> dict[str, Row]:
    return {"domain" if isinstance(row, Domain) else "host": row}


def _is_active() -> Q:
    return Q(revoked_at=None, expires_at__gt=database_time.now())


def _stays(tenant: Tenant, row: Row, was_verified: bool) -> bool:
    """Whether the row has evidence: a proof, a confirmation, a cutover or a drift."""
    name = str(row)
    if was_verified or Drift.objects.filter(tenant=tenant, subject=name).exists():
        return True
    if isinstance(row, Host):
        return False
    return DomainProgress.objects.filter(domain=row).exists() or name in _names_in_decisions(tenant)


def _names_in_decisions(tenant: Tenant) -> set[str]:
    """The names of all domains in cutover snapshots and decisions."""
    snapshots = CutoverSnapshot.objects.filter(cutover__plan__tenant=tenant)
    decided = CutoverDecision.objects.filter(cutover__plan__tenant=tenant)
    return {
        *(
            each["domain"]
            for content in snapshots.values_list("content", flat=True)
            for each in content
        ),
        *(
            name
            for content in decided.values_list("content", flat=True)
            for name in content.get("domains", ())
        ),
    }


def remove_subjects(
    tenant: Tenant, effects: Sequence[RemovalEffect], *, by: User, reason: str = ""
) -> None:
    """Remove the rows with the shown effects.

    Raises OnboardingError if a window of a domain is open, and ReasonMissing if inbound mail would
    then switch first and the reason is empty. Then nothing is removed.
    """
    now = database_time.now()
    locked = [str(each.row) for each in effects if each.in_window]
    if locked:
        raise OnboardingError(f"{join_names(locked)}: the window is open. Nothing was removed.")
    with transaction.atomic():
        domains = [each.row for each in effects if isinstance(each.row, Domain)]
        planning.release_domains(tenant, domains, by=by, reason=reason)
        share_links.revoke_all(ShareLink.objects.filter(domain__in=domains), by=by)
        # Confirmations and exemptions of the domain. The activity log contains their reasons.
        DomainProgress.objects.filter(domain__in=domains).delete()
        for each in effects:
            if each.stays:
                mark_removed(each.row, at=now, by=by)
            else:
                each.row.delete()
        for action, stays in (
            (ActivityName.SUBJECTS_REMOVED, True),
            (ActivityName.SUBJECTS_DELETED, False),
        ):
            group = [each for each in effects if each.stays is stays]
            if group:
                names, answers = [str(e.row) for e in group], sum(e.answers for e in group)
                write_activity(tenant, action, by=by, names=names, answers=answers)
