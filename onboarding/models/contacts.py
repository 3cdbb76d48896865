"""The client's contacts in an implementation, with or without an account."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from tenants import database_time
from tenants.models import Tenant, User
from tenants.public_ids import new_public_id


class Contact(models.Model):
    """A person of the client, with one role. Several people may have the same role."""

    class Role(models.TextChoices):
        TECHNICAL = "technical", "Technical contact"
        DNS = "dns", "DNS owner"
        FIREWALL = "firewall", "Firewall owner"
        DIRECTORY = "directory", "Directory administrator"
        SIGNATORY = "signatory", "Signatory (a director)"
        EMERGENCY = "emergency", "Emergency contact"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="contacts", db_index=False
    )
    role = models.CharField(max_length=10, choices=Role)
    name = models.CharField(max_length=100)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=40, blank=True)
    availability = models.CharField("Availability", max_length=300, blank=True)
    changed_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField(default=database_time.known_now)

    class Meta:
        ordering: ClassVar[list[str]] = ["role", "name", "pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "role", "name"], name="contact_once_per_role")
        ]

    def __str__(self) -> str:
        return self.name
