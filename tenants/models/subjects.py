"""The subjects of checks: domains and hosts."""

from __future__ import annotations

from typing import ClassVar, Self, TypeVar

from django.db import models

from tenants import database_time
from tenants.models.tenants import Tenant
from tenants.models.users import User
from tenants.names import display_domain
from tenants.public_ids import new_public_id

_Subject = TypeVar("_Subject", bound=models.Model)


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
