"""Who may do what. The table stands in docs/access.md; this is the one place that decides.

`may` is arithmetic over roles and acts. `role_in` and `staff_role_of` say which role a person has.
"""

from __future__ import annotations

from enum import StrEnum

from tenants.models import Membership, Tenant, User


class Role(StrEnum):
    """Staff roles hold across the installation, client roles in one tenant."""

    ADMINISTRATOR = "administrator"
    CONSULTANT = "consultant"
    MANAGER = "manager"
    OWNER = "owner"
    MEMBER = "member"
    VIEWER = "viewer"

    @property
    def is_staff(self) -> bool:
        return self in _STAFF


class Act(StrEnum):
    """What a person can want of us, in the words of docs/access.md."""

    # Of one tenant
    READ = "read the plan"
    CONFIRM = "confirm own tasks"
    LOOK = "ask for a look"
    TALK = "write comments"
    STEER = "steer the plan"
    VOTE = "vote on a cutover"
    EDIT_PROFILE = "edit the profile"
    USE_LAB = "use the lab"
    ADD_FILE = "add a file"
    FILL_SHEETS = "fill in sheets"
    HAND_OFF = "hand off"
    NAME_CONTACTS = "name contacts"
    SEE_PEOPLE = "see people"
    INVITE = "invite"
    MANAGE_PEOPLE = "manage people"
    ACKNOWLEDGE = "acknowledge a drift"
    STEER_WATCH = "steer the watch"
    TAKE_PACK = "take the closing pack"
    EXPORT = "export"
    CLOSE = "close the tenant"
    ERASE = "erase the tenant"
    # Of the installation
    OPEN_HOME = "open home"
    WATCH_ALL = "watch the dashboard"
    CREATE_TENANT = "create a tenant"
    SET_FREEZES = "set freezes for everybody"
    EDIT_TEMPLATES = "edit plan templates"
    DROP_GUARDS = "publish without a guard"
    MANAGE_STAFF = "manage staff"

    @property
    def is_of_installation(self) -> bool:
        return self in _OF_INSTALLATION


_STAFF = {Role.ADMINISTRATOR, Role.CONSULTANT, Role.MANAGER}
_STEERING = {Role.ADMINISTRATOR, Role.CONSULTANT}
_ACTING = _STEERING | {Role.OWNER, Role.MEMBER}
_OF_INSTALLATION = {
    Act.OPEN_HOME,
    Act.WATCH_ALL,
    Act.CREATE_TENANT,
    Act.SET_FREEZES,
    Act.EDIT_TEMPLATES,
    Act.DROP_GUARDS,
    Act.MANAGE_STAFF,
}

_ALLOWED: dict[Act, set[Role]] = {
    Act.READ: set(Role),
    Act.CONFIRM: _ACTING,
    Act.LOOK: _ACTING,
    Act.TALK: _ACTING,
    Act.STEER: _STEERING,
    Act.VOTE: _STEERING | {Role.OWNER},
    Act.EDIT_PROFILE: _STEERING,
    Act.USE_LAB: _ACTING,
    Act.ADD_FILE: _ACTING,
    Act.FILL_SHEETS: _ACTING,
    Act.HAND_OFF: _ACTING,
    Act.NAME_CONTACTS: _ACTING,
    Act.SEE_PEOPLE: set(Role),
    Act.INVITE: _STEERING | {Role.OWNER},
    Act.MANAGE_PEOPLE: _STEERING | {Role.OWNER},
    Act.ACKNOWLEDGE: _ACTING,
    Act.STEER_WATCH: _STEERING,
    Act.TAKE_PACK: _STEERING | {Role.OWNER},
    Act.EXPORT: {Role.ADMINISTRATOR, Role.OWNER},
    Act.CLOSE: _STEERING,
    Act.ERASE: {Role.ADMINISTRATOR},
    Act.WATCH_ALL: _STAFF,
    Act.CREATE_TENANT: _STEERING,
    Act.SET_FREEZES: _STEERING,
    Act.EDIT_TEMPLATES: _STEERING,
    Act.DROP_GUARDS: {Role.ADMINISTRATOR},
    Act.MANAGE_STAFF: {Role.ADMINISTRATOR},
}

# What is left of a closed tenant: reading, the watch after go-live, and leaving.
_WHILE_CLOSED = {
    Act.READ,
    Act.SEE_PEOPLE,
    Act.MANAGE_PEOPLE,
    Act.ACKNOWLEDGE,
    Act.STEER_WATCH,
    Act.TAKE_PACK,
    Act.EXPORT,
    Act.CLOSE,
    Act.ERASE,
}


def may(role: Role | None, act: Act, *, is_closed: bool = False) -> bool:
    """Whether a role allows an act; `is_closed` says that the tenant is archived.

    Opening home needs no role: everybody who signed in has one of their own.
    """
    if is_closed and act not in _WHILE_CLOSED:
        return False
    return act is Act.OPEN_HOME or (role is not None and role in _ALLOWED[act])


def staff_role_of(user: User) -> Role | None:
    """The role across the installation; None for people of the client's side."""
    if not user.is_active or user.staff_role == User.StaffRole.NONE:
        return None
    return Role(user.staff_role)


def role_in(user: User, tenant: Tenant) -> Role | None:
    """The role a person has in a tenant; None for strangers.

    A staff role outweighs a membership. A manager who watches some consultants only is a stranger
    to the tenants of the others.
    """
    staff = staff_role_of(user)
    if staff is not None and (staff is not Role.MANAGER or _watches(user, tenant)):
        return staff
    membership = Membership.objects.filter(user=user, tenant=tenant).first()
    return Role(membership.role) if membership is not None and user.is_active else None


def _watches(user: User, tenant: Tenant) -> bool:
    watched = {person.pk for person in user.watches.all()}
    return not watched or tenant.consultant_id in watched
