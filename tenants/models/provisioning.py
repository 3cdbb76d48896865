"""The company's directory: SCIM tokens, people and groups, and provider grants."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from tenants import database_time
from tenants.models.users import User
from tenants.public_ids import new_public_id


class ScimToken(models.Model):
    """The credential of the company's directory. Only its hash is stored.

    It never expires: after an expiry, the directory could not end the access of people who leave.
    """

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.public_id


class ProvisionedPerson(models.Model):
    """The attributes of a member of staff in the company's directory."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="provisioned")
    # The userName of the directory in lower case: it is compared without case.
    user_name = models.CharField(max_length=254)
    # The attributes of the SCIM resource, except those that Gangway sets.
    attributes = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    changed_at = models.DateTimeField(default=database_time.known_now, editable=False)
    # The directory deleted the person. The account remains for the activity log, without access.
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["user_name"],
                condition=models.Q(removed_at__isnull=True),
                name="one_person_per_user_name",
            )
        ]

    def __str__(self) -> str:
        return self.user_name


class ProvisionedGroup(models.Model):
    """A group of the directory. `OIDC_GROUP_ROLES` gives a role to its name or its external id."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    name = models.CharField(max_length=254, unique=True)
    external_id = models.CharField(max_length=254, blank=True)
    members = models.ManyToManyField(User, related_name="provisioned_groups")
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    changed_at = models.DateTimeField(default=database_time.known_now, editable=False)

    def __str__(self) -> str:
        return self.name


class ProviderGrant(models.Model):
    """The refresh token of a person at the OpenID provider (see `tenants.provider_grants`)."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="provider_grant")
    # Encrypted.
    refresh_token = models.TextField(editable=False)
    # The last attempt to read the groups.
    read_at = models.DateTimeField(default=database_time.known_now, db_index=True)

    def __str__(self) -> str:
        return f"grant of {self.user}"
