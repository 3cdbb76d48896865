"""The account of the first administrator, created with a link that an operator prints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from allauth.account.models import EmailAddress
from django.core import signing
from django.db import transaction
from django.urls import reverse

from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.errors import TenantError
from tenants.installation_setup.decisions import administrators
from tenants.models import SetupDecision, User
from tenants.services import write_activity

VALID_FOR = timedelta(hours=1)
_SALT = "tenants.installation_setup"


class FirstAdministratorError(TenantError):
    """The account of the first administrator cannot be created."""


def has_administrator() -> bool:
    return administrators().exists()


def is_empty_installation() -> bool:
    """Whether no person has an account. The sign-in page then explains the first step."""
    return not User.objects.exists()


def setup_link(site: str) -> str:
    """A link that creates the first administrator. It works for an hour, and only once.

    Raises FirstAdministratorError if the installation has an administrator.
    """
    if has_administrator():
        raise FirstAdministratorError("This installation has an administrator already.")
    return f"{site}{reverse('tenants:setup-account', args=[new_token()])}"


def new_token() -> str:
    """The token of a link, valid for `VALID_FOR`."""
    until = database_time.now() + VALID_FOR
    return str(_signer().sign_object({"until": until.timestamp()}))


def is_open(token: str) -> bool:
    """Whether the link is genuine, neither expired nor used, and there is no administrator.

    An administrator may have lost the role since the link was used.
    """
    try:
        until = float(_signer().unsign_object(token)["until"])
    except signing.BadSignature:
        return False
    is_expired = database_time.now().timestamp() >= until
    return not is_expired and not has_administrator() and not _is_used(until)


def _is_used(until: float) -> bool:
    """Whether a link has created an administrator since the link with this end was printed."""
    printed_at = datetime.fromtimestamp(until, UTC) - VALID_FOR
    kind = SetupDecision.Kind.ADMINISTRATOR
    created = SetupDecision.objects.filter(kind=kind, decided_at__gte=printed_at)
    return created.exists()


def _signer() -> signing.Signer:
    return signing.Signer(salt=_SALT, sep=".")


def create_first_administrator(*, name: str, email: str, password: str) -> User:
    """Create the account. The second of two requests at once raises FirstAdministratorError."""
    with transaction.atomic():
        # The second request waits for this row.
        kind = SetupDecision.Kind.ADMINISTRATOR
        SetupDecision.objects.get_or_create(kind=kind)
        row = SetupDecision.objects.select_for_update(no_key=True).get(kind=kind)
        if has_administrator():
            raise FirstAdministratorError("Another person has created the administrator. Sign in.")
        if User.objects.filter(email__iexact=email).exists():
            raise FirstAdministratorError("A person with this e-mail address already exists.")
        person = User.objects.create_superuser(email, password, name=name)
        EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
        row.decided_by, row.decided_at = person, database_time.now()
        row.save(update_fields=["decided_by", "decided_at"])
        role = person.staff_role
        write_activity(
            None,
            ActivityName.STAFF_ADDED,
            by=person,
            person=person.email,
            before="",
            after=str(role),
        )
    return person
