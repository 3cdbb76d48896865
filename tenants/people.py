"""Changes roles, and removes or deactivates people with immediate effect."""

from __future__ import annotations

from collections.abc import Sequence

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.db.models import QuerySet

from tenants import database_time, invitations, notifications
from tenants.activity_names import ActivityName
from tenants.errors import TenantError
from tenants.models import ApiToken, Invitation, Membership, ProviderGrant, Tenant, User
from tenants.services import end_sessions, write_activity

_LAST_ADMINISTRATOR = "The installation needs at least one administrator. Add another first."


class PeopleError(TenantError):
    """A person's role or access cannot change."""


def change_role(membership: Membership, role: str, *, by: User) -> None:
    with transaction.atomic():
        membership = _lock_membership(membership)
        if role == membership.role:
            return
        _require_another_owner(membership, by=by)
        Membership.objects.filter(pk=membership.pk).update(role=role)
        write_activity(
            membership.tenant,
            ActivityName.ROLE_CHANGED,
            by=by,
            person=membership.user.email,
            before=membership.role,
            after=role,
        )


def remove_member(membership: Membership, *, by: User) -> None:
    """Remove a member, end all sessions and revoke the invitations that the member sent."""
    with transaction.atomic():
        membership = _lock_membership(membership)
        _require_another_owner(membership, by=by)
        tenant, user = membership.tenant, membership.user
        Membership.objects.filter(pk=membership.pk).delete()
        end_sessions(user)
        invitations.revoke_all(Invitation.objects.filter(tenant=tenant, invited_by=user), by=by)
        write_activity(
            tenant,
            ActivityName.PERSON_REMOVED,
            by=by,
            person=user.email,
            before=membership.role,
            after="",
        )
        notifications.delete_of(user, tenant)


def _lock_membership(membership: Membership) -> Membership:
    """The current membership. The lock on the tenant makes changes of its members wait.

    Raises PeopleError if another person has removed the member.
    """
    Tenant.objects.select_for_update(no_key=True).get(pk=membership.tenant_id)
    current = Membership.objects.select_related("tenant", "user").filter(pk=membership.pk).first()
    if current is None:
        raise PeopleError("Another person has removed this member. Nothing was changed.")
    return current


def _require_another_owner(membership: Membership, *, by: User) -> None:
    """A client cannot remove the last owner. Staff can, and then invite another owner."""
    if membership.role != Membership.Role.OWNER or by.is_mimecast:
        return
    others = owners_of(membership.tenant).exclude(pk=membership.pk)
    if not others.exists():
        raise PeopleError("A tenant needs at least one owner. Make another person an owner first.")


def owners_of(tenant: Tenant) -> QuerySet[Membership]:
    return Membership.objects.filter(
        tenant=tenant, role=Membership.Role.OWNER, user__is_active=True
    )


def change_staff(
    person: User, role: str, followed_consultants: Sequence[User], *, by: User
) -> None:
    """Change the staff role and the consultants that a manager follows."""
    _refuse_own_account(person, by)
    _refuse_imported(person)
    before = {
        "role": person.staff_role,
        "followed_consultants": _emails(list(person.followed_consultants.all())),
    }
    after = {"role": role, "followed_consultants": _emails(followed_consultants)}
    if before == after:
        return
    with transaction.atomic():
        if role != User.StaffRole.ADMINISTRATOR:
            _require_another_administrator(person)
        User.objects.filter(pk=person.pk).update(staff_role=role)
        person.followed_consultants.set(followed_consultants)
        write_activity(
            None, ActivityName.STAFF_CHANGED, by=by, person=person.email, before=before, after=after
        )


def set_staff_role(person: User, role: str) -> None:
    """Set the role that the groups of the person give. The sessions end with a lost role.

    Raises PeopleError for the last administrator.
    """
    with transaction.atomic():
        # All administrators before the person, as at every other change of a role.
        administrators = lock_administrators()
        current = User.objects.select_for_update(no_key=True).get(pk=person.pk)
        if current.staff_role == role:
            return
        if administrators == [current.pk]:
            raise PeopleError(_LAST_ADMINISTRATOR)
        User.objects.filter(pk=person.pk).update(staff_role=role)
        if not role:
            end_sessions(current)
        write_activity(
            None,
            ActivityName.STAFF_CHANGED,
            person=current.email,
            before={"role": current.staff_role},
            after={"role": role},
        )


def add_staff(name: str, email: str, role: str, *, by: User) -> User:
    """Create a member of staff, who must set a password by e-mail before the first sign-in."""
    with transaction.atomic():
        person = User.objects.create_user(email, None, name=name, staff_role=role)
        write_activity(None, ActivityName.STAFF_ADDED, by=by, person=email, before="", after=role)
    return person


def deactivate(person: User, *, by: User | None) -> None:
    """Deactivate a person. All sessions end with their next request.

    `by` is None for the company's directory. Raises PeopleError for the last administrator.
    """
    if by is not None:
        _refuse_own_account(person, by)
    with transaction.atomic():
        _require_another_administrator(person)
        if not User.objects.filter(pk=person.pk, is_active=True).update(is_active=False):
            return
        end_sessions(person)
        invitations.revoke_all(Invitation.objects.filter(invited_by=person), by=by)
        write_activity(None, ActivityName.PERSON_DEACTIVATED, by=by, person=person.email)


def activate(person: User, *, by: User | None) -> None:
    """Raises PeopleError for a person of an imported archive, who never gets access."""
    _refuse_imported(person)
    with transaction.atomic():
        if User.objects.filter(pk=person.pk, is_active=False).update(is_active=True):
            write_activity(None, ActivityName.PERSON_ACTIVATED, by=by, person=person.email)


def rename(person: User, *, email: str, name: str, by: User | None = None) -> None:
    """Change the e-mail address and the name of a colleague. `by` is None for the directory.

    The earlier address no longer receives codes and links for this account.
    """
    before = {"email": person.email, "name": person.name}
    after = {"email": email, "name": name}
    if before == after:
        return
    with transaction.atomic():
        User.objects.filter(pk=person.pk).update(email=email, name=name)
        if email != person.email:
            EmailAddress.objects.filter(user=person).delete()
            EmailAddress.objects.create(user=person, email=email, verified=True, primary=True)
        write_activity(None, ActivityName.PERSON_RENAMED, by=by, before=before, after=after)
    person.email, person.name = email, name


def remove_credentials(person: User) -> None:
    """Remove password, second factors, single sign-on and API tokens of a deleted account.

    The directory can assign the address to another person, who must not inherit them, and whose
    account the earlier person must not open.
    """
    with transaction.atomic():
        person.set_unusable_password()
        User.objects.filter(pk=person.pk).update(password=person.password)
        Authenticator.objects.filter(user=person).delete()
        SocialAccount.objects.filter(user=person).delete()
        ProviderGrant.objects.filter(user=person).delete()
        ApiToken.objects.filter(owner=person, revoked_at=None).update(
            revoked_at=database_time.now()
        )


def is_last_administrator(person: User) -> bool:
    others = User.objects.filter(is_active=True, staff_role=User.StaffRole.ADMINISTRATOR)
    is_one = person.staff_role == User.StaffRole.ADMINISTRATOR
    return is_one and not others.exclude(pk=person.pk).exists()


def _refuse_imported(person: User) -> None:
    if person.is_imported:
        raise PeopleError(
            f"{person.name} came with an imported tenant and never gets access. Invite the address"
            " instead."
        )


def _refuse_own_account(person: User, by: User) -> None:
    """Without this rule the last administrator could lock everyone out."""
    if person.pk == by.pk:
        raise PeopleError("Another administrator must change your role or access.")


def lock_administrators() -> list[int]:
    """Lock all administrators, by id, before a person. Returns their ids."""
    rows = User.objects.filter(is_active=True, staff_role=User.StaffRole.ADMINISTRATOR)
    return list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))


def _require_another_administrator(person: User) -> None:
    """Refuse the loss of the last administrator, with all administrators locked.

    Two administrators who remove each other at the same time pass the rule about the own account.
    """
    if lock_administrators() == [person.pk]:
        raise PeopleError(_LAST_ADMINISTRATOR)


def _emails(people: Sequence[User]) -> list[str]:
    return sorted(person.email for person in people)
