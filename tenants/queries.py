"""Reads of people and tenants. Each read starts from a person or a tenant."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from tenants.models import Domain, Invitation, Membership, ProvisionedPerson, Tenant, User


def tenants_for(user: User) -> QuerySet[Tenant]:
    """The tenants that a person can see, including closed ones.

    A manager who follows consultants sees their tenants. Other staff see all, a client's people
    their own.
    """
    own = Q(pk__in=Membership.objects.filter(user=user).values("tenant"))
    return Tenant.objects.filter(_followed_by(user) | own).select_related("consultant")


def tenants_staffed_by(user: User) -> QuerySet[Tenant]:
    """The tenants in which a person has a staff role."""
    return Tenant.objects.filter(_followed_by(user))


def is_staff_everywhere(user: User) -> bool:
    """Whether the role of the person applies to all tenants. A manager can follow consultants."""
    return user.is_mimecast and user.staff_role != User.StaffRole.MANAGER


def staffed_ids(user: User, tenants: Collection[Tenant]) -> set[int]:
    """The ids of those of the tenants in which a person has a staff role."""
    ids = {tenant.pk for tenant in tenants}
    if is_staff_everywhere(user) or not user.is_mimecast:
        return ids if user.is_mimecast else set()
    return set(tenants_staffed_by(user).filter(pk__in=ids).values_list("pk", flat=True))


def condition_of_tenants(user: User, tenant: str) -> Q:
    """The condition `tenants_for` for rows with a tenant, as a part of one query.

    `tenant` is the lookup of the tenant of a row. A page that shows a count needs no other query.
    """
    own = Q(**{f"{tenant}__in": Membership.objects.filter(user=user).values("tenant")})
    return condition_of_staffed_tenants(user, tenant) | own


def condition_of_staffed_tenants(user: User, tenant: str) -> Q:
    """The condition `tenants_staffed_by` for rows with a tenant, as a part of one query.

    An empty lookup: the rows are tenants.
    """
    if not user.is_mimecast:
        return Q(pk__in=[])
    if user.staff_role == User.StaffRole.MANAGER:
        follows = User.followed_consultants.through.objects.filter(from_user=user)
        lookup = f"{tenant}__consultant__in" if tenant else "consultant__in"
        of_followed = Q(**{lookup: follows.values("to_user")})
        return of_followed | Q(~Exists(follows))
    return ~Q(pk__in=[])


def domains_at_other_tenants(tenant: Tenant, user: User) -> list[Domain]:
    """The same domains in other tenants that this member of staff can see.

    Empty for a client's people, who must not learn of other tenants.
    """
    if not user.is_mimecast:
        return []
    same = Domain.objects.filter(
        name__in=tenant.domains.values("name"), tenant__in=tenants_staffed_by(user)
    )
    rows = same.exclude(tenant=tenant).select_related("tenant")
    return list(rows.order_by("name", "tenant__name"))


def _followed_by(user: User) -> Q:
    if not user.is_mimecast:
        return Q(pk__in=[])
    if user.staff_role == User.StaffRole.MANAGER:
        followed = [person.pk for person in user.followed_consultants.all()]
        return Q(consultant__in=followed) if followed else ~Q(pk__in=[])
    return ~Q(pk__in=[])


def open_tenants_for(user: User) -> QuerySet[Tenant]:
    """The open tenants that a person can see: the default of lists and dashboards."""
    return tenants_for(user).filter(closed_at__isnull=True)


def members_of(tenant: Tenant) -> QuerySet[Membership]:
    return Membership.objects.filter(tenant=tenant).select_related("user").order_by("user__name")


def pending_invitations(tenant: Tenant) -> QuerySet[Invitation]:
    """Neither accepted nor revoked. Includes expired ones, which can be sent again."""
    return (
        Invitation.objects.filter(tenant=tenant, accepted_at=None, revoked_at=None)
        .select_related("invited_by")
        .order_by("-created_at")
    )


def all_people() -> QuerySet[User]:
    """All accounts, staff first, with the related rows of the people page.

    None of an imported archive: those people have no access. `can_have_role` is whether an
    administrator may give the person a staff role.
    """
    people = User.objects.filter(origin_id="")
    people = people.prefetch_related("followed_consultants", "memberships__tenant")
    can_have_role = Exists(people_with_role_or_directory().filter(pk=OuterRef("pk")))
    return people.annotate(can_have_role=can_have_role).order_by(F("staff_role").desc(), "name")


def people_with_role_or_directory() -> QuerySet[User]:
    """The staff: people with a staff role, and those of the company's directory.

    A client's member without a staff role is none, also if the directory once had the person. A
    person of an imported archive is none.
    """
    in_directory = ProvisionedPerson.objects.filter(user=OuterRef("pk"), removed_at=None)
    membership = Membership.objects.filter(user=OuterRef("pk"))
    return User.objects.filter(
        ~Q(staff_role=User.StaffRole.NONE) | (Exists(in_directory) & ~Exists(membership)),
        origin_id="",
    )
