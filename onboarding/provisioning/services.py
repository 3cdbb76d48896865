"""Writes of the directory: accounts and groups of the staff.

Each change is one transaction with its lines in the audit log. The actor of a line is empty, and a
parameter names the token. `people.PeopleError` protects the last administrator.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from django.db import IntegrityError, transaction
from scim2_models import InvalidValueException, NotFoundException, PatchOp, UniquenessException

from onboarding.calendar_feeds.feeds import feeds_of, revoke_feed
from onboarding.lifecycle import offboarding
from onboarding.provisioning.members import without_members
from onboarding.provisioning.queries import groups, people, person_or_404
from onboarding.provisioning.resources import (
    LONGEST_VALUE,
    POLICY,
    GroupResource,
    PersonResource,
    PersonValues,
    group_resource,
    person_resource,
    provisioned,
    values_of,
)
from tenants import database_time, staff_groups
from tenants import people as people_services
from tenants.activity_names import ActivityName
from tenants.models import Membership, ProvisionedGroup, ProvisionedPerson, User
from tenants.services import lock_people, write_activity
from tenants.webhooks.services import pause_webhooks_of

_TAKEN = "Another account has this userName or e-mail address."
_GROUP_TAKEN = "Another group has this displayName."


# --- People


def create_person(resource: PersonResource) -> User:
    """Create an account without a password. It has no role until a group or a person gives one.

    Raises UniquenessException for a userName or an e-mail address of another account, also of a
    client's member. A deleted account of this address becomes active again, without credentials.
    """
    values = values_of(resource)
    try:
        with transaction.atomic():
            people_services.lock_administrators()
            person = _former_account(values) or User.objects.create_user(
                values.email, None, name=values.name
            )
            write_activity(None, ActivityName.PERSON_PROVISIONED, person=values.email)
            _store(person, values)
    except IntegrityError:
        raise UniquenessException(detail=_TAKEN) from None
    return person_or_404(person.public_id)


def _former_account(values: PersonValues) -> User | None:
    """The account that the directory deleted earlier, or None. Raises UniquenessException if the
    address belongs to another account."""
    rows = User.objects.select_for_update(no_key=True, of=("self",))
    person = rows.select_related("provisioned").filter(email=values.email).first()
    if person is None:
        return None
    row = provisioned(person)
    is_client = Membership.objects.filter(user=person).exists()
    if row is None or row.removed_at is None or is_client or person.is_mimecast:
        raise UniquenessException(detail=_TAKEN)
    ProvisionedPerson.objects.filter(pk=row.pk).update(removed_at=None)
    row.removed_at = None
    return person


def replace_person(public_id: str, resource: PersonResource, *, may_activate: bool) -> User:
    """Replace the attributes. Without `may_activate`, an inactive account remains inactive, also
    if another request has just deactivated it."""
    try:
        with transaction.atomic():
            person = _lock_person(public_id)
            values = values_of(resource)
            is_active = values.is_active and (may_activate or person.is_active)
            _store(person, replace(values, is_active=is_active))
    except IntegrityError:
        raise UniquenessException(detail=_TAKEN) from None
    return person_or_404(public_id)


def patch_person(public_id: str, operations: PatchOp[PersonResource]) -> User:
    """Apply the operations in their order, all or none."""
    try:
        with transaction.atomic():
            person = _lock_person(public_id)
            resource = person_resource(person, "")
            operations.patch(resource, scim_policy=POLICY)
            _store(person, values_of(resource))
    except IntegrityError:
        raise UniquenessException(detail=_TAKEN) from None
    return person_or_404(public_id)


def remove_person(public_id: str) -> None:
    """Deactivate the account, and remove its role, groups and credentials.

    The row remains, because the activity log refers to it. Raises PeopleError for the last
    administrator.
    """
    with transaction.atomic():
        person = _lock_person(public_id)
        # First the rows that others lock before a log, then the logs of tenants.
        people_services.remove_credentials(person)
        pause_webhooks_of(person)
        offboarding.lock_chains_of(person)
        _set_active(person, False)
        for feed in feeds_of(person):
            revoke_feed(feed)
        people_services.set_staff_role(person, User.StaffRole.NONE)
        for group in ProvisionedGroup.objects.filter(members=person):
            group.members.remove(person)
        now = database_time.now()
        ProvisionedPerson.objects.update_or_create(
            user=person,
            defaults={"removed_at": now, "changed_at": now},
            create_defaults={"removed_at": now, "user_name": person.email},
        )
        write_activity(None, ActivityName.PERSON_DEPROVISIONED, person=person.email)


def _lock_person(public_id: str) -> User:
    # All administrators first: two who leave at once would wait for each other.
    people_services.lock_administrators()
    rows = people().select_for_update(no_key=True, of=("self",))
    person = rows.filter(public_id=public_id).first()
    if person is None:
        raise NotFoundException(detail="No such person.")
    return person


def _store(person: User, values: PersonValues) -> None:
    _refuse_taken(person, values)
    _set_active(person, values.is_active)
    people_services.rename(person, email=values.email, name=values.name)
    row = provisioned(person)
    kept = {"user_name": values.user_name, "attributes": values.attributes}
    if row is not None and {name: getattr(row, name) for name in kept} == kept:
        return
    changed = kept | {"changed_at": database_time.now()}
    ProvisionedPerson.objects.update_or_create(user=person, defaults=changed)


def _refuse_taken(person: User, values: PersonValues) -> None:
    """The constraints refuse two requests at once. An account that no directory has changed has no
    row: its e-mail address is its userName."""
    others = User.objects.exclude(pk=person.pk)
    by_email = others.filter(email__in=[values.email, values.user_name])
    by_name = ProvisionedPerson.objects.filter(user_name=values.user_name, removed_at=None)
    if by_email.exists() or by_name.exclude(user=person).exists():
        raise UniquenessException(detail=_TAKEN)


def _set_active(person: User, is_active: bool) -> None:
    if is_active and not person.is_active:
        people_services.activate(person, by=None)
    elif person.is_active and not is_active:
        offboarding.deactivate_user(person, by=None)
    person.is_active = is_active


# --- Groups


def create_group(resource: GroupResource) -> ProvisionedGroup:
    """Raises UniquenessException for a name of another group."""
    try:
        with transaction.atomic():
            name, external_id = _names_of(resource)
            people_services.lock_administrators()
            group = ProvisionedGroup.objects.create(name=name, external_id=external_id)
            _set_members(group, _ids_in(resource))
    except IntegrityError:
        raise UniquenessException(detail=_GROUP_TAKEN) from None
    return _loaded(group.public_id)


def replace_group(public_id: str, resource: GroupResource) -> ProvisionedGroup:
    """Replace names and members. The roles of all former and present members follow."""
    try:
        with transaction.atomic():
            _change_group(_lock_group(public_id), resource)
    except IntegrityError:
        raise UniquenessException(detail=_GROUP_TAKEN) from None
    return _loaded(public_id)


def patch_group(public_id: str, operations: PatchOp[GroupResource]) -> ProvisionedGroup:
    """Apply the operations in their order, all or none."""
    try:
        with transaction.atomic():
            group = _lock_group(public_id)
            members = list(people().filter(provisioned_groups=group))
            split = without_members(
                operations.operations or [], {each.public_id for each in members}
            )
            if split is None:
                resource = group_resource(group, members, "")
                operations.patch(resource, scim_policy=POLICY)
                _change_group(group, resource)
            else:
                resource = group_resource(group, [], "")
                if split[0]:
                    operations.operations = split[0]
                    operations.patch(resource, scim_policy=POLICY)
                _change_group(group, resource, ids=split[1])
    except IntegrityError:
        raise UniquenessException(detail=_GROUP_TAKEN) from None
    return _loaded(public_id)


def remove_group(public_id: str) -> None:
    """Remove the group. Its members lose the role that it gave."""
    with transaction.atomic():
        group = _lock_group(public_id)
        affected = list(people().filter(provisioned_groups=group))
        group.delete()
        _apply_roles(affected)
        write_activity(None, ActivityName.GROUP_REMOVED, group=group.name)


def _loaded(public_id: str) -> ProvisionedGroup:
    return groups().get(public_id=public_id)


def _lock_group(public_id: str) -> ProvisionedGroup:
    people_services.lock_administrators()
    rows = ProvisionedGroup.objects.select_for_update(no_key=True).filter(public_id=public_id)
    group = rows.first()
    if group is None:
        raise NotFoundException(detail="No such group.")
    return group


def _change_group(
    group: ProvisionedGroup, resource: GroupResource, *, ids: set[str] | None = None
) -> None:
    """Store the names, and the members: `ids`, or else those of the resource."""
    name, external_id = _names_of(resource)
    is_renamed = (name, external_id) != (group.name, group.external_id)
    if is_renamed:
        group.name, group.external_id = name, external_id
        group.changed_at = database_time.now()
        group.save(update_fields=["name", "external_id", "changed_at"])
    _set_members(group, _ids_in(resource) if ids is None else ids, also_present=is_renamed)


def _names_of(resource: GroupResource) -> tuple[str, str]:
    name, external_id = (resource.display_name or "").strip(), resource.external_id or ""
    if not name or max(len(name), len(external_id)) > LONGEST_VALUE:
        raise InvalidValueException(
            detail=f"A group needs a displayName of at most {LONGEST_VALUE} characters."
        )
    return name, external_id


def _ids_in(resource: GroupResource) -> set[str]:
    return {each.value for each in resource.members or [] if each.value}


def _set_members(group: ProvisionedGroup, ids: set[str], *, also_present: bool = False) -> None:
    """Set the members, and give everyone who joins or leaves the role of their groups.

    `also_present`: the members that remain, too. Raises InvalidValueException for an id that is
    no member of staff.
    """
    before = {each.pk: each for each in people().filter(provisioned_groups=group)}
    after = {each.pk: each for each in people().filter(public_id__in=ids)}
    if len(after) != len(ids):
        raise InvalidValueException(detail="A member of the group is no known person.")
    added = [each for pk, each in after.items() if pk not in before]
    removed = [each for pk, each in before.items() if pk not in after]
    for person in added:
        # With a row, the directory still finds the person after the loss of the role.
        ProvisionedPerson.objects.get_or_create(user=person, defaults={"user_name": person.email})
    if added or removed:
        group.members.add(*added)
        group.members.remove(*removed)
        ProvisionedGroup.objects.filter(pk=group.pk).update(changed_at=database_time.now())
    _apply_roles({**before, **after}.values() if also_present else [*added, *removed])
    if added or removed or also_present:
        write_activity(
            None,
            ActivityName.GROUP_CHANGED,
            group=group.name,
            added=sorted(each.email for each in added),
            removed=sorted(each.email for each in removed),
        )


def _apply_roles(affected: Iterable[User]) -> None:
    """Set the roles, with all people locked.

    The last administrator keeps the role, as at single sign-on.
    """
    affected = sorted(affected, key=lambda each: each.pk)
    # All of them before the first line of the log.
    lock_people(each.pk for each in affected)
    for person in affected:
        named = person.provisioned_groups.values_list("name", "external_id")
        staff_groups.apply_to(person, [text for pair in named for text in pair if text])
