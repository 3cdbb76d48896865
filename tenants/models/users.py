"""People: staff with a staff role, and the people of the clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils.crypto import salted_hmac

from tenants import database_time
from tenants.public_ids import new_public_id


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
    # The tour that the person finished or skipped (tenants.tours). Another role has another tour.
    ended_tour = models.CharField(
        max_length=20, blank=True, default="", db_default="", editable=False
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
