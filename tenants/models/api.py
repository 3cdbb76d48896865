"""API tokens, and the responses to requests with an Idempotency-Key."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from tenants import database_time
from tenants.models.tenants import Tenant
from tenants.models.users import User
from tenants.public_ids import new_public_id


class ApiToken(models.Model):
    """A credential of a person for the API. Only its hash is stored (see `tenants.api_tokens`)."""

    class Scope(models.TextChoices):
        READ = "read", "Read"
        WRITE = "write", "Read and write"
        ADMINISTER = "administer", "Administer"

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60)
    scope = models.CharField(max_length=10, choices=Scope)
    # The only tenant that the token can reach. Empty for every tenant of its owner.
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=database_time.known_now, editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= database_time.now()

    @property
    def is_usable(self) -> bool:
        return self.revoked_at is None and not self.is_expired


class IdempotentRequest(models.Model):
    """A request with an Idempotency-Key and its first response (see `tenants.rest.idempotency`).

    The transaction of the change stores the row, so that both exist after a crash, or neither.
    """

    # The constraint has the index.
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    # Empty where the request concerns no tenant.
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    key = models.CharField(max_length=255)
    # SHA-256 of method, path and body.
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    body = models.JSONField(null=True)
    headers = models.JSONField(default=dict)
    created_at = models.DateTimeField(
        default=database_time.known_now, editable=False, db_index=True
    )

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "key"], name="one_response_per_idempotency_key")
        ]
