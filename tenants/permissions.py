"""The access rules: which role has which permission. docs/reference/access.md shows the same table.

`may` is a pure function of role and permission. `role_in` and `staff_role_of` read a person's role.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from enum import StrEnum

from tenants.models import Membership, Tenant, User


class Role(StrEnum):
    """Staff roles apply to the whole installation, client roles to one tenant."""

    ADMINISTRATOR = "administrator"
    CONSULTANT = "consultant"
    MANAGER = "manager"
    OWNER = "owner"
    MEMBER = "member"
    VIEWER = "viewer"

    @property
    def is_staff(self) -> bool:
        return self in _STAFF


class Permission(StrEnum):
    """A permission, by its name in docs/reference/access.md."""

    # Of one tenant
    VIEW = "view the plan"
    CONFIRM = "confirm own tasks"
    RUN_CHECKS = "run checks"
    COMMENT = "write comments"
    MANAGE_PLAN = "manage the plan"
    VOTE = "vote on a cutover"
    EDIT_PROFILE = "edit the profile"
    USE_LAB = "use the lab"
    ADD_FILE = "add a file"
    EDIT_REQUIREMENTS = "edit requirements sheets"
    SHARE = "create share links"
    EDIT_CONTACTS = "edit contacts"
    VIEW_PEOPLE = "view people"
    INVITE = "invite people"
    MANAGE_PEOPLE = "manage people"
    ACKNOWLEDGE_DRIFT = "acknowledge drift"
    MANAGE_MONITORING = "manage monitoring"
    DOWNLOAD_CLOSING_PACK = "download the closing pack"
    EXPORT_TENANT = "export the tenant"
    ARCHIVE_TENANT = "archive the tenant for another installation"
    CLOSE_TENANT = "close the tenant"
    ERASE_TENANT = "erase the tenant"
    MANAGE_WEBHOOKS = "manage webhooks"
    # Of the installation
    OPEN_HOME = "open the home page"
    OPEN_DESK = "open the desk"
    VIEW_DASHBOARD = "view the dashboard"
    CREATE_TENANT = "create a tenant"
    IMPORT_ARCHIVES = "import archives of tenants"
    EDIT_GLOBAL_FREEZES = "edit global freezes"
    EDIT_TEMPLATES = "edit plan templates"
    PUBLISH_WITHOUT_GUARDS = "publish without guards"
    MANAGE_STAFF = "manage staff"
    MANAGE_ALL_WEBHOOKS = "manage webhooks of all tenants"
    REPAIR_RECORDS = "repair records"

    @property
    def is_of_installation(self) -> bool:
        return self in _OF_INSTALLATION


_STAFF = {Role.ADMINISTRATOR, Role.CONSULTANT, Role.MANAGER}
_MANAGING = {Role.ADMINISTRATOR, Role.CONSULTANT}
_CONTRIBUTING = _MANAGING | {Role.OWNER, Role.MEMBER}
_OF_INSTALLATION = {
    Permission.OPEN_HOME,
    Permission.OPEN_DESK,
    Permission.VIEW_DASHBOARD,
    Permission.CREATE_TENANT,
    Permission.IMPORT_ARCHIVES,
    Permission.EDIT_GLOBAL_FREEZES,
    Permission.EDIT_TEMPLATES,
    Permission.PUBLISH_WITHOUT_GUARDS,
    Permission.MANAGE_STAFF,
    Permission.MANAGE_ALL_WEBHOOKS,
    Permission.REPAIR_RECORDS,
}

_ALLOWED: dict[Permission, set[Role]] = {
    Permission.VIEW: set(Role),
    Permission.CONFIRM: _CONTRIBUTING,
    Permission.RUN_CHECKS: _CONTRIBUTING,
    Permission.COMMENT: _CONTRIBUTING,
    Permission.MANAGE_PLAN: _MANAGING,
    Permission.VOTE: _MANAGING | {Role.OWNER},
    Permission.EDIT_PROFILE: _MANAGING,
    Permission.USE_LAB: _CONTRIBUTING,
    Permission.ADD_FILE: _CONTRIBUTING,
    Permission.EDIT_REQUIREMENTS: _CONTRIBUTING,
    Permission.SHARE: _CONTRIBUTING,
    Permission.EDIT_CONTACTS: _CONTRIBUTING,
    Permission.VIEW_PEOPLE: set(Role),
    Permission.INVITE: _MANAGING | {Role.OWNER},
    Permission.MANAGE_PEOPLE: _MANAGING | {Role.OWNER},
    Permission.ACKNOWLEDGE_DRIFT: _CONTRIBUTING,
    Permission.MANAGE_MONITORING: _MANAGING,
    Permission.DOWNLOAD_CLOSING_PACK: _MANAGING | {Role.OWNER},
    Permission.EXPORT_TENANT: {Role.ADMINISTRATOR, Role.OWNER},
    # The archive contains internal notes.
    Permission.ARCHIVE_TENANT: {Role.ADMINISTRATOR},
    Permission.CLOSE_TENANT: _MANAGING,
    Permission.ERASE_TENANT: {Role.ADMINISTRATOR},
    Permission.MANAGE_WEBHOOKS: _MANAGING | {Role.OWNER},
    Permission.OPEN_DESK: _MANAGING,
    Permission.VIEW_DASHBOARD: _STAFF,
    Permission.CREATE_TENANT: _MANAGING,
    Permission.IMPORT_ARCHIVES: {Role.ADMINISTRATOR},
    Permission.EDIT_GLOBAL_FREEZES: _MANAGING,
    Permission.EDIT_TEMPLATES: _MANAGING,
    Permission.PUBLISH_WITHOUT_GUARDS: {Role.ADMINISTRATOR},
    Permission.MANAGE_STAFF: {Role.ADMINISTRATOR},
    Permission.MANAGE_ALL_WEBHOOKS: {Role.ADMINISTRATOR},
    Permission.REPAIR_RECORDS: {Role.ADMINISTRATOR},
}

# In a closed tenant: reading, monitoring, people, webhooks, and the end of the tenant.
_WHILE_CLOSED = {
    Permission.VIEW,
    Permission.VIEW_PEOPLE,
    Permission.MANAGE_PEOPLE,
    Permission.ACKNOWLEDGE_DRIFT,
    Permission.MANAGE_MONITORING,
    Permission.DOWNLOAD_CLOSING_PACK,
    Permission.EXPORT_TENANT,
    Permission.ARCHIVE_TENANT,
    Permission.CLOSE_TENANT,
    Permission.ERASE_TENANT,
    Permission.MANAGE_WEBHOOKS,
}


def may(role: Role | None, permission: Permission, *, is_closed: bool = False) -> bool:
    """Whether the role has the permission. `is_closed` restricts it to those of a closed tenant.

    The home page needs no role: every signed-in user has one.
    """
    if is_closed and permission not in _WHILE_CLOSED:
        return False
    return permission is Permission.OPEN_HOME or (role is not None and role in _ALLOWED[permission])


def staff_role_of(user: User) -> Role | None:
    """The role in the installation, or None for a client's people."""
    if not user.is_active or user.staff_role == User.StaffRole.NONE:
        return None
    return Role(user.staff_role)


def role_in(user: User, tenant: Tenant) -> Role | None:
    """The role of a person in a tenant, or None.

    A staff role precedes a membership. A manager who follows consultants has no role
    in the tenants of other consultants.
    """
    membership = Membership.objects.filter(user=user, tenant=tenant)
    return role_from(user, tenant, lambda: membership.values_list("role", flat=True).first())


def people_without(
    permission: Permission,
    people: Iterable[User | None],
    tenant: Tenant,
    members: Iterable[Membership],
) -> set[int | None]:
    """The ids of the people who do not have the permission now. None is a missing person.

    `members` are the memberships of the tenant, so that clients need no further query.
    """
    roles = {member.user_id: member.role for member in members}
    lacking: set[int | None] = set()
    for person in set(people):
        if person is None:
            lacking.add(None)
            continue
        role = role_from(person, tenant, functools.partial(roles.get, person.pk))
        if not may(role, permission, is_closed=tenant.is_closed):
            lacking.add(person.pk)
    return lacking


def role_from(user: User, tenant: Tenant, membership_role: Callable[[], str | None]) -> Role | None:
    """The same as `role_in`, with the role of the person's membership if it is needed."""
    staff = staff_role_of(user)
    if staff is not None and (staff is not Role.MANAGER or _follows_consultant_of(user, tenant)):
        return staff
    role = membership_role()
    return Role(role) if role is not None and user.is_active else None


def _follows_consultant_of(user: User, tenant: Tenant) -> bool:
    followed = {person.pk for person in user.followed_consultants.all()}
    return not followed or tenant.consultant_id in followed
