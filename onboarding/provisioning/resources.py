"""The SCIM resources, and their values for people and groups of Gangway.

scim2-models parses, validates and filters. The models declare only the attributes that Gangway
stores: the published schemas derive from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from pydantic import Field
from scim2_models import (
    URN,
    CaseExact,
    ComplexAttribute,
    InvalidValueException,
    Meta,
    Mutability,
    Reference,
    Required,
    Resource,
    ScimPolicy,
    Uniqueness,
)

from tenants.models import ProvisionedGroup, ProvisionedPerson, User

LONGEST_VALUE = 254
LONGEST_NAME = 100
# Directories send more attributes than Gangway stores. Microsoft Entra ID also removes members by
# value, and addresses an e-mail address before it exists.
POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)
_SET_BY_GANGWAY = {"schemas", "id", "meta", "active"}


class PersonName(ComplexAttribute):
    formatted: str | None = None
    family_name: str | None = None
    given_name: str | None = None


class PersonEmail(ComplexAttribute):
    value: Annotated[str | None, Required.true] = None
    type: str | None = None
    primary: bool | None = None


class PersonResource(Resource[Any]):
    """A member of the staff."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: PersonName | None = None
    display_name: str | None = None
    emails: Annotated[list[PersonEmail] | None, Required.true] = None
    # The standard makes it optional. As a required attribute, no PATCH removes it.
    active: Annotated[bool | None, Required.true] = None


class GroupMember(ComplexAttribute):
    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference["User"] | None, Mutability.immutable] = Field(  # noqa: UP037 - the name of the SCIM resource type
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])


class GroupResource(Resource[Any]):
    """A group of the staff. OIDC_GROUP_ROLES gives it a role."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    members: list[GroupMember] | None = None


@dataclass(frozen=True)
class PersonValues:
    """The values of a person that Gangway stores. `user_name` is in lower case."""

    user_name: str
    email: str
    name: str
    is_active: bool
    attributes: dict[str, Any]


def values_of(resource: PersonResource) -> PersonValues:
    """The values of a resource. Raises InvalidValueException for one that Gangway cannot store.

    The e-mail address is the primary one, or else the one for work, or the first. The name is the
    display name, or else the formatted one, given and family name, or the e-mail address.
    """
    email = _email_of(resource)
    attributes = resource.model_dump()
    _refuse_long(*texts_in(attributes))
    user_name = (resource.user_name or "").strip().lower()
    if not user_name:
        raise InvalidValueException(detail="The userName is empty.")
    # The lower case of a text can be longer than the text.
    _refuse_long(user_name, email)
    return PersonValues(
        user_name=user_name,
        email=email,
        name=_name_of(resource, email)[:LONGEST_NAME],
        is_active=resource.active is True,
        attributes={key: each for key, each in attributes.items() if key not in _SET_BY_GANGWAY},
    )


def _refuse_long(*texts: str) -> None:
    if any(len(text) > LONGEST_VALUE for text in texts):
        raise InvalidValueException(detail=f"A value has more than {LONGEST_VALUE} characters.")


def _email_of(resource: PersonResource) -> str:
    emails = [each for each in resource.emails or [] if each.value]
    by_preference = [
        *(each for each in emails if each.primary),
        *(each for each in emails if (each.type or "").lower() == "work"),
        *emails,
    ]
    chosen = by_preference[0].value if by_preference else resource.user_name
    email = (chosen or "").strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidValueException(detail="The person has no valid e-mail address.") from None
    return email


def _name_of(resource: PersonResource, email: str) -> str:
    name = resource.name or PersonName()
    both = f"{name.given_name or ''} {name.family_name or ''}".strip()
    named = (resource.display_name or "").strip() or (name.formatted or "").strip()
    return named or both or email


def texts_in(value: Any) -> list[str]:
    """All strings in a JSON value, without the names of its members."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts_in(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts_in(each)]
    return [value] if isinstance(value, str) else []


def names_in(value: Any) -> list[str]:
    """The names of all members in a JSON value."""
    if isinstance(value, dict):
        return [*value, *(name for each in value.values() for name in names_in(each))]
    return [name for each in value for name in names_in(each)] if isinstance(value, list) else []


def person_resource(person: User, base: str) -> PersonResource:
    """The resource of a member of staff. `base` is the address of the SCIM service.

    An account that no directory has changed has its e-mail address as userName.
    """
    row = provisioned(person)
    attributes = dict(row.attributes) if row is not None else {}
    attributes.setdefault("userName", person.email)
    resource = PersonResource.model_validate(attributes, scim_policy=POLICY)
    if not resource.emails or _email_of(resource) != person.email:
        resource.emails = [PersonEmail(value=person.email, type="work", primary=True)]
    if row is None or _name_of(resource, person.email)[:LONGEST_NAME] != person.name:
        resource.display_name = person.name
    resource.id = person.public_id
    resource.active = person.is_active
    resource.meta = Meta(
        resource_type="User",
        created=person.created_at,
        last_modified=row.changed_at if row is not None else person.created_at,
        location=f"{base}/Users/{person.public_id}",
    )
    return resource


def provisioned(person: User) -> ProvisionedPerson | None:
    """The row of the directory for this account, or None for an account that it never changed."""
    try:
        return person.provisioned
    except ProvisionedPerson.DoesNotExist:
        return None


def group_resource(group: ProvisionedGroup, members: list[User], base: str) -> GroupResource:
    """The resource of a group with these members."""
    return GroupResource(
        id=group.public_id,
        external_id=group.external_id or None,
        display_name=group.name,
        members=[
            GroupMember(
                value=each.public_id,
                ref=Reference(f"{base}/Users/{each.public_id}"),
                type="User",
            )
            for each in members
        ]
        or None,
        meta=Meta(
            resource_type="Group",
            created=group.created_at,
            last_modified=group.changed_at,
            location=f"{base}/Groups/{group.public_id}",
        ),
    )
