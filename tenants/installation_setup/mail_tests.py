"""The test of sending e-mails: a worker sends one message to the administrator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from tenants import database_time, outbox
from tenants.email import Email
from tenants.models import MailTest, OutboxMessage, User

KIND = "mail-test"
# The attempts end after this time, so that the page shows a final result soon.
VALID_FOR = timedelta(minutes=10)
# A message without an attempt after this time: no worker serves the queue of e-mails.
WORKER_WAIT = timedelta(seconds=30)
_TO_FILES = "django.core.mail.backends.filebased.EmailBackend"
# Backends that send nothing.
_NOT_SENDING = (_TO_FILES, "django.core.mail.backends.console.EmailBackend")


@dataclass(frozen=True)
class MailTestResult:
    """The newest test, as the setup page shows it.

    `error` is the class of the last error with the code of the mail server. `next_at` is the time
    of the next attempt; None if there is none.
    """

    test: MailTest
    attempts: int = 0
    error: str = ""
    next_at: datetime | None = None
    is_changed: bool = False
    has_no_worker: bool = False

    @property
    def is_accepted(self) -> bool:
        """Whether a mail server accepted the message with the current settings."""
        return self.test.accepted_at is not None and not self.is_changed

    @property
    def is_in_progress(self) -> bool:
        return self.next_at is not None


def mail_settings() -> str:
    """The settings that decide how e-mails are sent, without the password."""
    if settings.EMAIL_BACKEND == _TO_FILES:
        return f"files in {settings.EMAIL_FILE_PATH} from {settings.DEFAULT_FROM_EMAIL}"[:300]
    account = f"{settings.EMAIL_HOST_USER}@" if settings.EMAIL_HOST_USER else ""
    security = "TLS" if settings.EMAIL_USE_TLS else "no TLS"
    server = f"{account}{settings.EMAIL_HOST}:{settings.EMAIL_PORT} ({security})"
    return f"{server} from {settings.DEFAULT_FROM_EMAIL}"[:300]


def sends_to_people() -> bool:
    """False if the e-mails of this installation reach no mail server."""
    return settings.EMAIL_BACKEND not in _NOT_SENDING


def request_mail_test(*, by: User, site: str) -> MailTest:
    """Queue a test e-mail to the person. It replaces the former test."""
    with transaction.atomic():
        MailTest.objects.all().delete()
        now = database_time.now()
        test = MailTest.objects.create(
            requested_by=by, requested_at=now, mail_settings=mail_settings()
        )
        outbox.add(
            KIND,
            public_id=test.public_id,
            recipient=by.email,
            payload={"person": by.public_id, "site": site},
            expires_at=now + VALID_FOR,
        )
    return test


def newest_result() -> MailTestResult | None:
    """The result of the newest test. None before the first one."""
    test = MailTest.objects.select_related("requested_by").first()
    if test is None:
        return None
    is_changed = test.mail_settings != mail_settings()
    if test.accepted_at is not None:
        return MailTestResult(test, is_changed=is_changed)
    message = OutboxMessage.objects.filter(public_id=test.public_id).first()
    if message is None or message.ended_at is not None:
        error, attempts = (message.last_error, message.attempts) if message else ("", 0)
        return MailTestResult(test, attempts, error, is_changed=is_changed)
    waited = database_time.now() - test.requested_at
    return MailTestResult(
        test,
        message.attempts,
        message.last_error,
        next_at=message.not_before,
        is_changed=is_changed,
        has_no_worker=message.attempts == 0 and waited > WORKER_WAIT,
    )


def compose(message: OutboxMessage) -> Email | None:
    """The test e-mail. None if a later test replaced it, or if the person cannot sign in."""
    test = MailTest.objects.filter(public_id=message.public_id).first()
    person = User.objects.filter(public_id=message.payload["person"], is_active=True).first()
    if test is None or person is None:
        return None
    context = {"person": person, "site": message.payload["site"], "test": test}
    text = render_to_string("emails/mail_test.txt", context)
    return Email(person.email, "Test e-mail from Gangway", text)


def store_acceptance(message: OutboxMessage, at: datetime) -> None:
    """Store that the mail server accepted the message."""
    MailTest.objects.filter(public_id=message.public_id).update(accepted_at=at)
