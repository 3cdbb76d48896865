"""The first run of an installation: decisions, and the test of sending e-mails."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from tenants import database_time
from tenants.models.users import User
from tenants.public_ids import new_public_id


class SetupDecision(models.Model):
    """A decision that no other data proves, once for each kind."""

    class Kind(models.TextChoices):
        # Its row is also the lock of the creation of the first administrator.
        ADMINISTRATOR = "administrator", "First administrator"
        REGIONS = "regions", "Region values reviewed"
        FINISHED = "finished", "Setup finished"

    kind = models.CharField(max_length=20, choices=Kind, unique=True)
    # Of REGIONS: the date of the reviewed data, such as 2026-11-23.
    subject = models.CharField(max_length=40, blank=True)
    # None if an existing installation was upgraded.
    decided_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(default=database_time.known_now)

    def __str__(self) -> str:
        return self.get_kind_display()


class MailTest(models.Model):
    """A test e-mail to the administrator who requested it. The newest one counts."""

    # That of its message in the outbox, which has the attempts.
    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    requested_by = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    requested_at = models.DateTimeField(default=database_time.known_now)
    # The settings that the test used, without secrets. Other settings need another test.
    mail_settings = models.CharField(max_length=300)
    accepted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-requested_at", "-pk"]

    def __str__(self) -> str:
        return f"test e-mail to {self.requested_by}"
