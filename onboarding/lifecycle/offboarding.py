"""Leaving: people who go, tenants that close, and erasing all that was kept of one."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from checks.expectations import sync_checks
from onboarding.collaboration import file_store, share_links
from onboarding.errors import OnboardingError
from onboarding.lifecycle.closing import revoke_links
from onboarding.models import ClosingPack, EvidenceFile, ShareLink, TenantExport
from tenants import people
from tenants.activity_names import ActivityName
from tenants.models import (
    ActivityChain,
    ActivityLine,
    ErasurePermit,
    Membership,
    Tenant,
    User,
)
from tenants.services import end_sessions, write_activity


def remove_membership(membership: Membership, *, by: User) -> None:
    """Out of the tenant: signed out everywhere, their invitations and links worthless, at once."""
    made = ShareLink.objects.filter(plan__tenant=membership.tenant, created_by=membership.user)
    with transaction.atomic():
        people.remove_member(membership, by=by)
        share_links.revoke_all(made, by=by)


def deactivate_user(person: User, *, by: User) -> None:
    """Out of everything, with all they handed out."""
    with transaction.atomic():
        people.deactivate(person, by=by)
        share_links.revoke_all(ShareLink.objects.filter(created_by=person), by=by)


def close_tenant(tenant: Tenant, *, by: User) -> None:
    """End an implementation that is not completed: read-only, its checks set aside, its links and
    invitations withdrawn. A case that both sides sign off is closed by that (closing.sign_off).
    """
    now = timezone.now()
    with transaction.atomic():
        if not Tenant.objects.filter(pk=tenant.pk, closed_at=None).update(closed_at=now):
            return
        tenant.closed_at = now
        sync_checks(tenant)
        revoke_links(tenant, by=by)
        write_activity(tenant, ActivityName.TENANT_CLOSED, by=by)
        tenant.plan.touch()


def erase_tenant(tenant: Tenant, *, typed: str, by: User) -> None:
    """Delete everything of a tenant, its activity and files included, for good.

    1. The name must be typed, so that nobody erases by habit.
    2. People who were members of nothing else keep an empty, deactivated shell of an account: other
       logs may name it.
    3. A line in the installation's log says who erased what, and stays.
    """
    if typed.strip() != tenant.name:
        raise OnboardingError("The name does not match. Nothing was erased.")
    with transaction.atomic():
        for person in _users_of_this_tenant_only(tenant):
            _anonymize(person)
        places = _stored_files(tenant)
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
            files=len(places),
        )
        file_store.remove_on_commit(places)


def _users_of_this_tenant_only(tenant: Tenant) -> list[User]:
    here = User.objects.filter(memberships__tenant=tenant, staff_role=User.StaffRole.NONE)
    return list(here.exclude(memberships__in=Membership.objects.exclude(tenant=tenant)).distinct())


def _anonymize(person: User) -> None:
    EmailAddress.objects.filter(user=person).delete()
    end_sessions(person)
    User.objects.filter(pk=person.pk).update(
        name="Erased person",
        email=f"{person.public_id.lower()}@erased.invalid",
        password=make_password(None),
        is_active=False,
    )


def _stored_files(tenant: Tenant) -> list[str]:
    kept = EvidenceFile.objects.filter(task__plan__tenant=tenant)
    exports = TenantExport.objects.filter(tenant=tenant).exclude(stored_as="")
    packs = ClosingPack.objects.filter(tenant=tenant).exclude(stored_as="")
    return [
        *kept.values_list("stored_as", flat=True),
        *exports.values_list("stored_as", flat=True),
        *packs.values_list("stored_as", flat=True),
    ]
