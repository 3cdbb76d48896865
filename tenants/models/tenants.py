"""Tenants, their members and their invitations."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from tenants import database_time
from tenants.models.users import User
from tenants.public_ids import new_public_id
from tenants.region_values import UNCONFIRMED
from tenants.regions import Region, load_regions


class Platform(models.TextChoices):
    MICROSOFT_365 = "microsoft_365", "Microsoft 365"
    GOOGLE_WORKSPACE = "google_workspace", "Google Workspace"
    ON_PREMISES = "on_premises", "On-premises"
    HYBRID = "hybrid", "Hybrid"
    OTHER = "other", "Other"


class DirectoryMethod(models.TextChoices):
    LDAP = "ldap", "LDAP"
    ENTRA_ID = "entra_id", "Entra ID (Azure AD)"
    GOOGLE = "google", "Google Workspace"
    MSE_AGENT = "mse_agent", "Mimecast Synchronization Engine (MSE)"
    MANUAL = "manual", "Manual import"


class Authentication(models.TextChoices):
    SSO = "sso", "Single sign-on (SAML)"
    DIRECTORY = "directory", "Directory passwords"
    MIMECAST = "mimecast", "Mimecast cloud password"


class Tenant(models.Model):
    """A client company, with the profile that decides which tasks its plan contains."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    account_code = models.CharField(max_length=32, blank=True)
    region = models.CharField(max_length=16)
    region_overrides = models.JSONField(default=dict, blank=True)
    platform = models.CharField(max_length=20, choices=Platform)
    directory_method = models.CharField(max_length=20, choices=DirectoryMethod)
    authentication = models.CharField(
        max_length=20, choices=Authentication, default=Authentication.SSO
    )
    journaling = models.BooleanField(default=False)
    products = models.JSONField(default=list, blank=True)
    dkim_in_use = models.BooleanField(default=False)
    rfi_used = models.BooleanField(default=False)
    time_zone = models.CharField(max_length=64, default="UTC")
    consultant = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="led_tenants"
    )
    # A sample tenant has its servers in the lab, under .test. Only a local installation has any.
    is_sample = models.BooleanField(default=False)
    # A closed tenant is read-only and hidden from the lists by default. Its checks continue, as
    # monitoring, if the implementation was completed. Otherwise they are deactivated.
    closed_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    # The time of its import. No check runs before a person starts the tenant here.
    checks_paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(completed_at__isnull=True) | models.Q(closed_at__isnull=False),
                name="completed_is_closed",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_closed(self) -> bool:
        return self.closed_at is not None

    @property
    def is_checked(self) -> bool:
        return not self.is_paused and (not self.is_closed or self.completed_at is not None)

    @property
    def is_paused(self) -> bool:
        """Whether the tenant was imported and no person has started it here."""
        return self.checks_paused_at is not None

    @property
    def region_values(self) -> Region:
        """The known values of the region, with this tenant's overrides."""
        return load_regions()[self.region].with_overrides(self.region_overrides)

    @property
    def unconfirmed_region_values(self) -> dict[str, Any]:
        """The values that were entered for an earlier region, by field. They have no effect."""
        unconfirmed: dict[str, Any] = self.region_overrides.get(UNCONFIRMED, {})
        return unconfirmed

    @property
    def profile(self) -> dict[str, object]:
        """The values that decide which tasks apply, under the plan template's names."""
        return {
            "platform": self.platform,
            "directory_method": self.directory_method,
            "authentication": self.authentication,
            "journaling": self.journaling,
            "products": list(self.products),
            "dkim_in_use": self.dkim_in_use,
            "rfi_used": self.rfi_used,
        }


class Membership(models.Model):
    """A person on the client's side of one tenant."""

    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        MEMBER = "member", "Member"
        VIEWER = "viewer", "Viewer"

    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "user"], name="one_membership_per_tenant")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant}"


class Invitation(models.Model):
    """An invitation of one address to a tenant. Only the e-mail contains the link's token."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Membership.Role)
    invited_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="invitations_made"
    )
    # None until the e-mail is sent, and again after a request to send another.
    token_hash = models.CharField(  # noqa: DJ001 - unique, and several may be unsent
        max_length=64, unique=True, null=True, editable=False
    )
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tenant", "email"],
                condition=models.Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="one_pending_invitation_per_address",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at__isnull=True) | models.Q(revoked_at__isnull=True),
                name="invitation_accepted_or_revoked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.tenant}"

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= database_time.now()
