"""The hash-chained lines of the activity log, and the addresses that erasure removes."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from tenants.activity_names import (
    API_TOKEN,
    SCIM_TOKEN,
    current_name,
    current_params,
)
from tenants.commitments import PersonalValue, commitments_in, with_values
from tenants.models.tenants import Tenant
from tenants.models.users import User


class ActivityChain(models.Model):
    """The head of one activity log. Each tenant has a log, and the installation has one."""

    INSTALLATION = "installation"

    # A tenant's public id, or INSTALLATION.
    scope = models.CharField(max_length=32, unique=True)
    length = models.PositiveIntegerField(default=0)
    head = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.scope}: {self.length} lines"


class ActivityLine(models.Model):
    """One action: its actor, its tenant, its time and the address that it came from.

    The database accepts only new lines (see append_only.py). Each line has the hash of the previous
    line, so a change or a gap is detectable.
    """

    # Empty for actions in the installation: sign-ins, people, erasures.
    tenant = models.ForeignKey(
        Tenant,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="activity",
        db_index=False,
    )
    scope = models.CharField(max_length=32)
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    # Empty for checks, for Gangway itself, and for visitors without an account.
    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    # As it was written. The hash covers it, so old lines have old names: read `name` instead.
    action = models.CharField(max_length=40)
    params = models.JSONField(default=dict)
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)
    # The content that the hash covers (tenants.activity.hash_of). Version 1 is that of 0.1.0.
    version = models.PositiveSmallIntegerField(default=1, db_default=1)

    class Meta:
        ordering: ClassVar[list[str]] = ["-at", "-pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["scope", "number"], name="one_line_per_number")
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["tenant", "-at"])]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.name}"

    @property
    def name(self) -> str:
        """The present name of the action: lines from before a renaming retain the earlier one."""
        return current_name(self.action)

    @property
    def display_params(self) -> dict[str, Any]:
        """The parameters with the present keys and values, to show and not to hash."""
        params = current_params(self.action, self.params)
        if any(commitments_in(params)):
            values = {each.personal.commitment: each.address for each in self.personal_rows}
            params = with_values(params, values)
        return params

    @property
    def api_token(self) -> str:
        """The name of the API token through which the person acted, or its id; else empty."""
        token = self.params.get(API_TOKEN) or {}
        return str(token.get("name") or token.get("id") or "")

    @property
    def is_from_directory(self) -> bool:
        """Whether the company's directory acted, by SCIM."""
        return SCIM_TOKEN in self.params

    @property
    def personal_rows(self) -> list[ErasableAddress]:
        """The values that the line commits to. Those that an erasure deleted are missing."""
        return list(self.erasable_addresses.all())


class ErasableAddress(models.Model):
    """An address or a name of a person in a line of the installation's log, outside its hash.

    The line contains a salted SHA-256 of the value (tenants.commitments). Without this row, the
    value cannot be computed from the line, and the line still verifies.
    """

    line = models.ForeignKey(
        ActivityLine, on_delete=models.CASCADE, related_name="erasable_addresses"
    )
    # As entered, which can be any text: the field of a sign-in accepts every address.
    address = models.CharField(max_length=254)
    salt = models.CharField(max_length=64)
    # The address of the person, if the value is a name.
    owner = models.CharField(max_length=254, blank=True, db_default="")

    def __str__(self) -> str:
        return f"address of line {self.line_id}"

    @property
    def personal(self) -> PersonalValue:
        return PersonalValue(self.address, self.salt, self.owner)


class ErasurePermit(models.Model):
    """While this row exists, the database permits the deletion of the tenant's activity lines.

    It also permits empty parameters in lines of the installation's log: earlier versions stored
    addresses there. The transaction that erases a tenant creates the permit and removes it.
    """

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return f"permit to erase {self.tenant}"
