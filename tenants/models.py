"""Models: people, tenants with their domains and hosts, invitations, the activity log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils.crypto import salted_hmac

from tenants import database_time
from tenants.activity_names import (
    API_TOKEN,
    SCIM_TOKEN,
    current_name,
    current_params,
    is_commitment,
)
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
    """A person. Staff have a staff role, a client's people have memberships."""

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
    # A manager who follows consultants sees only their tenants. One who follows none sees all.
    followed_consultants = models.ManyToManyField(
        "self", symmetrical=False, blank=True, related_name="+"
    )
    # Part of the session hash: an increase ends all sessions of this person.
    session_version = models.PositiveIntegerField(default=0)
    # A person of an imported archive: the author of its rows, without access. The id and the
    # address are those in the installation of the archive.
    origin_id = models.CharField(
        max_length=32, blank=True, default="", db_default="", editable=False
    )
    origin_email = models.CharField(
        max_length=254, blank=True, default="", db_default="", editable=False
    )
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)

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
    def is_imported(self) -> bool:
        """Whether this is a person of an imported archive, who never gets access."""
        return bool(self.origin_id)

    @property
    def archived_id(self) -> str:
        """The id of the person in archives and in the hashes of activity lines."""
        return self.origin_id or self.public_id

    @property
    def is_mimecast(self) -> bool:
        return self.staff_role != User.StaffRole.NONE

    @property
    def initials(self) -> str:
        names = self.name.split()
        return "".join(name[0] for name in (names[:1] + names[1:][-1:])).upper()

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
    checks_held_at = models.DateTimeField(null=True, blank=True, editable=False)
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
        return not self.is_held and (not self.is_closed or self.completed_at is not None)

    @property
    def is_held(self) -> bool:
        """Whether the tenant was imported and no person has started it here."""
        return self.checks_held_at is not None

    @property
    def region_values(self) -> Region:
        """The known values of the region, with this tenant's overrides."""
        return load_regions()[self.region].with_overrides(self.region_overrides)

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


class ActiveManager(models.Manager[_Subject]):
    """The rows that are not removed. A removed row remains stored for its observations, and only
    the history pages read it."""

    def get_queryset(self) -> models.QuerySet[_Subject]:
        return super().get_queryset().filter(removed_at__isnull=True)


class Domain(models.Model):
    """A DNS name for which the tenant receives or sends mail, as lower-case A-labels."""

    class Role(models.TextChoices):
        PRIMARY = "primary", "Primary"
        SECONDARY = "secondary", "Secondary"
        TEST = "test", "Test"
        PARKED = "parked", "Parked"
        SEND_ONLY = "send_only", "Send-only"
        ROUTING = "routing", "Routing (onmicrosoft)"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="domains", db_index=False
    )
    name = models.CharField(max_length=253)
    role = models.CharField(max_length=10, choices=Role, default=Role.SECONDARY)
    # The code that Mimecast's console issued for the domain, and the CNAME host it offered with it.
    ownership_token = models.CharField(max_length=128, blank=True)
    ownership_label = models.CharField(max_length=63, blank=True)
    # Separated by spaces; each may carry the key it must publish: `mimecast20261101=MIIB…`.
    dkim_selectors = models.CharField(max_length=2000, blank=True)
    # Values that a client entered and no consultant has decided on, by kind (tenants.proposals).
    # The columns above contain confirmed values only.
    proposals = models.JSONField(default=dict, blank=True, editable=False)
    # The MX TTL before the first check, as a person remembers it. Without a value Gangway assumes
    # one day.
    original_mx_ttl_seconds = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    # Removed: no task, check or cutover covers it any more.
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
    """A mail or directory host of the tenant: a delivery route or an LDAP server, with its port."""

    class Purpose(models.TextChoices):
        DELIVERY = "delivery", "Delivery route"
        DIRECTORY = "directory", "Directory host"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="hosts", db_index=False
    )
    purpose = models.CharField(max_length=10, choices=Purpose)
    name = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    # A consultant recorded the client's consent to connections to this host.
    consented_at = models.DateTimeField(null=True, blank=True)
    consented_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # An address for RCPT TO, with the client's permission. The probe never sends DATA.
    recipient = models.EmailField(blank=True)
    # A client proposed the host. Empty for a host that a consultant entered.
    proposed_at = models.DateTimeField(null=True, blank=True, editable=False)
    proposed_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    # A consultant confirmed a proposed host. This is no consent to connections.
    confirmed_at = models.DateTimeField(null=True, blank=True, editable=False)
    confirmed_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    # The reason of the consultant who rejected the proposal. The host is removed, too.
    rejection_reason = models.CharField(max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    # Removed, as for a domain.
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

    @property
    def is_proposed(self) -> bool:
        """Whether a client entered the host and no consultant has confirmed it."""
        return self.proposed_at is not None and self.confirmed_at is None

    @property
    def proposer(self) -> str:
        return self.proposed_by.name if self.proposed_by is not None else "a former user"


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
        return {
            key: self.erasable_text if is_commitment(value) else value
            for key, value in params.items()
        }

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
    def erasable_text(self) -> str:
        """The address that the line commits to, or a note about its erasure."""
        try:
            return self.erasable_address.address
        except ErasableAddress.DoesNotExist:
            return "(erased)"


class ErasableAddress(models.Model):
    """An e-mail address in a line of the installation's log, outside the hashed content.

    The line contains a salted SHA-256 of the address (tenants.activity.commitment_to). Without this
    row, the address cannot be computed from the line, and the line still verifies.
    """

    line = models.OneToOneField(
        ActivityLine, on_delete=models.CASCADE, related_name="erasable_address"
    )
    # As entered, which can be any text: the field of a sign-in accepts every address.
    address = models.CharField(max_length=254)
    salt = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"address of line {self.line_id}"


class ErasurePermit(models.Model):
    """While this row exists, the database permits the deletion of the tenant's activity lines.

    It also permits empty parameters in lines of the installation's log: earlier versions stored
    addresses there. The transaction that erases a tenant creates the permit and removes it.
    """

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE)

    def __str__(self) -> str:
        return f"permit to erase {self.tenant}"


class OutboxMessage(models.Model):
    """Work for another server: an e-mail to send, or a message to a Celery worker.

    The transaction of a change stores the message, so that no broker and no mail server has to
    answer then. See `tenants.outbox`.
    """

    # Part of the Message-ID of an e-mail: a second copy is recognisable.
    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    # The name of a composer of e-mails, or `task` for the message to a worker.
    kind = models.CharField(max_length=40)
    # Empty for e-mails about accounts.
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    # Both are emptied after sending. Secrets in the payload are encrypted.
    recipient = models.EmailField(blank=True)
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    not_before = models.DateTimeField()
    # Without a date: three days after `created_at`.
    expires_at = models.DateTimeField(null=True, blank=True)
    # The queued or running delivery; another one starts after `claimed_until`.
    claim_id = models.CharField(max_length=32, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    # The class of the error and the code of the mail server, without addresses.
    last_error = models.CharField(max_length=100, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    # The message expired or became obsolete before it was sent.
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["not_before", "pk"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["not_before"],
                name="outbox_waiting",
                condition=models.Q(sent_at=None, ended_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"


class EventCount(models.Model):
    """How often an operational event happened, for the page of the workers."""

    name = models.CharField(max_length=60, unique=True)
    number = models.PositiveBigIntegerField(default=0)
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.number}"


# Django finds the tables of an app through this module.
import tenants.webhooks.models  # noqa: E402, F401
from tenants.api_models import ApiToken as ApiToken  # noqa: E402
from tenants.api_models import IdempotentRequest as IdempotentRequest  # noqa: E402
from tenants.provisioning_models import ProviderGrant as ProviderGrant  # noqa: E402
from tenants.provisioning_models import ProvisionedGroup as ProvisionedGroup  # noqa: E402
from tenants.provisioning_models import ProvisionedPerson as ProvisionedPerson  # noqa: E402
from tenants.provisioning_models import ScimToken as ScimToken  # noqa: E402
