"""Offboarding: remove people, close tenants without completion, and erase all data of a tenant."""

from __future__ import annotations

from collections.abc import Sequence

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.expectations import sync_checks
from checks.models import Check
from onboarding.collaboration import file_store, share_links
from onboarding.errors import OnboardingError
from onboarding.lifecycle.closing import revoke_links
from onboarding.models import (
    ClosingPack,
    Cutover,
    EvidenceFile,
    RequirementsSheet,
    ShareLink,
    Task,
    TenantExport,
)
from onboarding.plans.closing_facts import obligations_of
from onboarding.plans.evaluation import PlanContext
from onboarding.plans.queries import lock_tasks, tasks_of
from onboarding.plans.transitions import LONGEST_REASON
from onboarding.plans.waiting_on import end_waiting
from tenants import outbox, people
from tenants.activity import lock_chain
from tenants.activity_names import ActivityName
from tenants.models import (
    ActivityChain,
    ActivityLine,
    Domain,
    ErasurePermit,
    Host,
    Membership,
    Tenant,
    User,
)
from tenants.services import end_sessions, write_activity


def remove_membership(membership: Membership, *, by: User) -> None:
    """Remove a member, end their sessions, and revoke their invitations and share links."""
    links = ShareLink.objects.filter(plan__tenant=membership.tenant, created_by=membership.user)
    with transaction.atomic():
        people.remove_member(membership, by=by)
        share_links.revoke_all(links, by=by)


def deactivate_user(person: User, *, by: User) -> None:
    """Deactivate an account and revoke its share links in all tenants."""
    with transaction.atomic():
        people.deactivate(person, by=by)
        share_links.revoke_all(ShareLink.objects.filter(created_by=person), by=by)


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
    now = timezone.now()
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
        tenant.plan.touch()


def erase_tenant(tenant: Tenant, *, typed: str, by: User) -> None:
    """Delete all data of a tenant permanently, including its activity log and files.

    1. The typed name must match, which prevents erasure by habit. Otherwise raises OnboardingError.
    2. Members without another tenant become anonymous, deactivated accounts, because other logs
       refer to them.
    3. A line of the audit log records who erased which tenant.
    """
    if typed.strip() != tenant.name:
        raise OnboardingError("The name does not match. Nothing was erased.")
    with transaction.atomic():
        _lock_all(tenant)
        for person in _users_of_this_tenant_only(tenant):
            _anonymize(person)
        paths = _stored_files(tenant)
        lines = ActivityLine.objects.filter(tenant=tenant).count()
        ErasurePermit.objects.create(tenant=tenant)
        ActivityLine.objects.filter(tenant=tenant).delete()
        ActivityChain.objects.filter(scope=tenant.public_id).delete()
        name, public_id = tenant.name, tenant.public_id
        tenant.delete()
        write_activity(
            None,
            ActivityName.TENANT_ERASED,
            by=by,
            name=name,
            erased=public_id,
            lines=lines,
            files=len(paths),
        )
        file_store.remove_on_commit(paths)


def _lock_all(tenant: Tenant) -> None:
    """Lock the rows that other transactions lock, in their order, before the tenant's deletion."""
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    for rows in (
        Domain.all_objects.filter(tenant=tenant).order_by("pk"),
        Host.all_objects.filter(tenant=tenant).order_by("pk"),
        Cutover.objects.filter(plan__tenant=tenant).order_by("pk"),
        RequirementsSheet.objects.filter(task__plan__tenant=tenant).order_by("pk"),
        Task.objects.filter(plan__tenant=tenant).order_by("position"),
        Check.objects.filter(tenant=tenant).order_by("pk"),
    ):
        list(rows.select_for_update(of=("self",)).values_list("pk", flat=True))
    lock_chain(tenant)


def _users_of_this_tenant_only(tenant: Tenant) -> list[User]:
    here = User.objects.filter(memberships__tenant=tenant, staff_role=User.StaffRole.NONE)
    return list(here.exclude(memberships__in=Membership.objects.exclude(tenant=tenant)).distinct())


def _anonymize(person: User) -> None:
    EmailAddress.objects.filter(user=person).delete()
    outbox.forget(person.email)
    end_sessions(person)
    User.objects.filter(pk=person.pk).update(
        name="Erased person",
        email=f"{person.public_id.lower()}@erased.invalid",
        password=make_password(None),
        is_active=False,
    )


def _stored_files(tenant: Tenant) -> list[str]:
    files = EvidenceFile.objects.filter(task__plan__tenant=tenant)
    exports = TenantExport.objects.filter(tenant=tenant).exclude(stored_as="")
    packs = ClosingPack.objects.filter(tenant=tenant).exclude(stored_as="")
    return [
        *files.values_list("stored_as", flat=True),
        *exports.values_list("stored_as", flat=True),
        *packs.values_list("stored_as", flat=True),
    ]


def stored_in(folder: str) -> set[str]:
    """The relative paths of the stored files, exports and closing packs in one folder."""
    return {
        place
        for model in (EvidenceFile, TenantExport, ClosingPack)
        for place in model._base_manager.filter(stored_as__startswith=f"{folder}/").values_list(
            "stored_as", flat=True
        )
    }
