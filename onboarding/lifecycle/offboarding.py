"""Offboarding: remove people, and close tenants without completion."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q

from checks.engine.outcomes import CheckKind
from checks.expectations import sync_checks
from checks.models import Check
from onboarding.collaboration import share_links
from onboarding.errors import OnboardingError
from onboarding.lifecycle.closing import revoke_links
from onboarding.models import (
    ArchiveImport,
    CalendarFeed,
    ClosingPack,
    EvidenceFile,
    ShareLink,
    Task,
    TenantExport,
)
from onboarding.plans.closing_facts import obligations_of
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.queries import lock_tasks, tasks_of
from onboarding.plans.transitions import LONGEST_REASON
from onboarding.plans.waiting_on import end_waiting
from tenants import database_time, people
from tenants.activity import lock_chains
from tenants.activity_names import ActivityName
from tenants.models import (
    Invitation,
    Membership,
    Tenant,
    User,
    WebhookEvent,
)
from tenants.notifications import end_for_closed
from tenants.services import lock_people, write_activity
from tenants.webhooks.events import add_event


def remove_membership(membership: Membership, *, by: User) -> None:
    """Remove a member, end their sessions, and revoke their invitations and share links."""
    links = ShareLink.objects.filter(plan__tenant=membership.tenant, created_by=membership.user)
    with transaction.atomic():
        people.remove_member(membership, by=by)
        share_links.revoke_all(links, by=by)


def deactivate_user(person: User, *, by: User | None) -> None:
    """Deactivate an account and revoke its share links in all tenants."""
    with transaction.atomic():
        people.lock_administrators()
        lock_people([person.pk])
        lock_chains_of(person)
        people.deactivate(person, by=by)
        share_links.revoke_all(ShareLink.objects.filter(created_by=person), by=by)


def lock_chains_of(person: User) -> None:
    """Lock the logs of all tenants in which the person's links, invitations and feeds end.

    The installation's log follows them. Its lock before one of theirs could cause a deadlock.
    """
    links = ShareLink.objects.filter(created_by=person, revoked_at=None)
    sent = Invitation.objects.filter(invited_by=person, accepted_at=None, revoked_at=None)
    feeds = CalendarFeed.objects.filter(owner=person, revoked_at=None)
    is_concerned = (
        Q(pk__in=links.values("plan__tenant"))
        | Q(pk__in=sent.values("tenant"))
        | Q(pk__in=feeds.values("tenant"))
    )
    lock_chains(Tenant.objects.filter(is_concerned))


def why_not_close(tenant: Tenant, tasks: Sequence[Task] | None = None) -> str:
    """Why the tenant cannot be closed without completion; empty when it can.

    Before the first MX switch an implementation may end at any time. After it, mail flows through
    Mimecast: the obligations of the sign-off apply, because closing stops every check.
    """
    switched = Check.objects.filter(
        tenant=tenant, kind=CheckKind.MX, first_verified_at__isnull=False
    )
    if not switched.exists():
        return ""
    rows = list(tasks_of(tenant.plan)) if tasks is None else tasks
    return obligations_of(rows, PlanContext.of(tenant)).refusal


def close_tenant(tenant: Tenant, *, by: User, reason: str) -> None:
    """Close a tenant without completion: read-only, checks inactive, links and invitations revoked.

    The sign-off of both sides closes a completed implementation (closing.sign_off_implementation).
    Raises OnboardingError without a reason, or with the reason of `why_not_close`.
    """
    text = reason.strip()
    if not text:
        raise OnboardingError("Enter a reason for closing. The tenant is still open.")
    now = database_time.now()
    with transaction.atomic():
        locked = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        if locked.is_closed:
            return
        refused = why_not_close(locked, lock_tasks(locked.plan.pk))
        if refused:
            raise OnboardingError(refused)
        Tenant.objects.filter(pk=tenant.pk).update(closed_at=now)
        tenant.closed_at = now
        end_waiting(tenant.plan, now=now)
        sync_checks(tenant)
        revoke_links(tenant, by=by)
        write_activity(tenant, ActivityName.TENANT_CLOSED, by=by, reason=text[:LONGEST_REASON])
        add_event(WebhookEvent.IMPLEMENTATION_CLOSED, tenant, is_completed=False)
        end_for_closed(tenant)
        tenant.plan.touch()


def stored_in(folder: str) -> set[str]:
    """The relative paths of the files, exports, closing packs and archives in one folder."""
    return {
        place
        for model in (EvidenceFile, TenantExport, ClosingPack, ArchiveImport)
        for place in model._base_manager.filter(stored_as__startswith=f"{folder}/").values_list(
            "stored_as", flat=True
        )
    }
