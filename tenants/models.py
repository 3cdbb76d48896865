"""Who: people, the tenants they belong to, and the domains and hosts a tenant owns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac

from tenants.activity_names import current_name, current_params
from tenants.names import display_domain
from tenants.public_ids import new_public_id
from tenants.regions import Region, load_regions

_Subject = TypeVar("_Subject", bound=models.Model)


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str, **fields: Any) -> User:
        return self.create_user(
            email, password, staff_role=User.StaffRole.ADMINISTRATOR, is_superuser=True, **fields
        )


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Staff carry a staff role; clients carry memberships instead."""

    class StaffRole(models.TextChoices):
        NONE = "", "Not staff"
        CONSULTANT = "consultant", "Consultant"
        MANAGER = "manager", "Manager"
        ADMINISTRATOR = "administrator", "Administrator"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100)
    staff_role = models.CharField(
        max_length=20, choices=StaffRole, default=StaffRole.NONE, blank=True
    )
    is_active = models.BooleanField(default=True)
    # A manager who watches some consultants sees their tenants only; one who watches nobody, all.
    followed_consultants = models.ManyToManyField(
        "self", symmetrical=False, blank=True, related_name="+"
    )
    # Raised to end every session of this person at once.
    session_version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_session_auth_hash(self) -> str:
        return self._for_this_version(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        for value in super().get_session_auth_fallback_hash():
            yield self._for_this_version(value)

    def _for_this_version(self, value: str) -> str:
        text = f"{self.session_version}:{value}"
        return salted_hmac("tenants.session-round", text, algorithm="sha256").hexdigest()

    @property
    def is_mimecast(self) -> bool:
        return self.staff_role != User.StaffRole.NONE

    @property
    def initials(self) -> str:
        words = self.name.split()
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()

    @property
    def first_name(self) -> str:
        return self.name.split()[0] if self.name.split() else self.email


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
    """One client company being onboarded, with the profile that decides what its plan holds."""

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
    # A sample tenant lives in the lab under .test; only a local installation has any.
    is_sample = models.BooleanField(default=False)
    # Closed: read-only, out of the lists unless asked for. Its checks go on where the case was
    # completed, for what was proven is watched; else they are set aside.
    closed_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

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
        return not self.is_closed or self.completed_at is not None

    @property
    def region_values(self) -> Region:
        """The region's values on record, with this tenant's own in their place."""
        return load_regions()[self.region].with_overrides(self.region_overrides)

    @property
    def profile(self) -> dict[str, object]:
        """What decides which tasks apply, in the plan template's words."""
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

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "user"], name="one_membership_per_tenant")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant}"


class Invitation(models.Model):
    """A place in a tenant, offered to one address. The link's token is known to its mail alone."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Membership.Role)
    invited_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="invitations_made"
    )
    # None until the mail is on its way, and again from the moment that another is asked for.
    token_hash = models.CharField(  # noqa: DJ001 - unique, and two unsent ones may stand together
        max_length=64, unique=True, null=True, editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
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
        return self.expires_at <= timezone.now()


class ActiveManager(models.Manager[_Subject]):
    """Those that nobody took out. What was taken out is kept for what was seen of it, and no page
    but its history's has to know that it is there."""

    def get_queryset(self) -> models.QuerySet[_Subject]:
        return super().get_queryset().filter(removed_at__isnull=True)


class Domain(models.Model):
    """A DNS name the tenant receives or sends mail for, as lower-case A-labels."""

    class Role(models.TextChoices):
        PRIMARY = "primary", "Primary"
        SECONDARY = "secondary", "Secondary"
        TEST = "test", "Test"
        PARKED = "parked", "Parked"
        SEND_ONLY = "send_only", "Send-only"
        ROUTING = "routing", "Routing (onmicrosoft)"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="domains")
    name = models.CharField(max_length=253)
    role = models.CharField(max_length=10, choices=Role, default=Role.SECONDARY)
    # The code that Mimecast's console issued for the domain, and the CNAME host it offered with it.
    ownership_token = models.CharField(max_length=128, blank=True)
    ownership_label = models.CharField(max_length=63, blank=True)
    # Separated by spaces; each may carry the key it must publish: `mimecast20261101=MIIB…`.
    dkim_selectors = models.CharField(max_length=2000, blank=True)
    # In seconds: what somebody remembers of its MX before we watched, where that was longer than
    # the day that is assumed.
    original_mx_ttl_seconds = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Taken out of the case: no step, check or cutover is for it any more.
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    removed_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    objects: ClassVar[ActiveManager[Self]] = ActiveManager()
    all_objects: ClassVar[models.Manager[Domain]] = models.Manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "name"], name="domain_once_per_tenant"),
            models.UniqueConstraint(
                fields=["tenant"],
                condition=models.Q(role="primary", removed_at__isnull=True),
                name="one_primary_domain_per_tenant",
            ),
        ]

    def __str__(self) -> str:
        return display_domain(self.name)


class Host(models.Model):
    """Where mail or LDAP is delivered: a delivery route or a directory host, with its port."""

    class Purpose(models.TextChoices):
        DELIVERY = "delivery", "Delivery route"
        DIRECTORY = "directory", "Directory host"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="hosts")
    purpose = models.CharField(max_length=10, choices=Purpose)
    name = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    # A consultant confirmed that the client agrees to our connecting to it.
    consented_at = models.DateTimeField(null=True, blank=True)
    consented_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # An address the client lets us ask the host about, as far as RCPT TO and no further.
    recipient = models.EmailField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Taken out of the case, as a domain is.
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    removed_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )

    objects: ClassVar[ActiveManager[Self]] = ActiveManager()
    all_objects: ClassVar[models.Manager[Host]] = models.Manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["tenant", "purpose", "name", "port"], name="host_once_per_tenant"
            ),
            models.CheckConstraint(
                condition=models.Q(port__gte=1, port__lte=65535), name="host_port_in_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


class ActivityChain(models.Model):
    """The newest line of one activity log: each tenant has its own, the installation has one."""

    INSTALLATION = "installation"

    # A tenant's public id, or INSTALLATION.
    scope = models.CharField(max_length=32, unique=True)
    length = models.PositiveIntegerField(default=0)
    head = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.scope}: {self.length} lines"


class ActivityLine(models.Model):
    """One thing that happened: who or what did it, to which tenant, from where.

    Lines are only ever added; the database refuses anything else (see append_only.py). Each carries
    the hash of the one before it, so that a change or a gap shows.
    """

    # Empty for what concerns the installation: sign-ins, people, erasures.
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="activity"
    )
    scope = models.CharField(max_length=32)
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    # Empty when a check did it, or somebody without an account.
    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    # As it was written. The hash covers it, so old lines have old names: read `name` instead.
    action = models.CharField(max_length=40)
    params = models.JSONField(default=dict)
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

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
        return current_params(self.action, self.params)


class ErasurePermit(models.Model):
    """While this row exists the database lets the tenant's activity lines be deleted. It is made
    and removed inside the one transaction that erases a tenant."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return f"permit to erase {self.tenant}"
