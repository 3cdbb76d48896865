"""Celery tasks of the outbox: send its e-mails and queue its messages."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from celery import shared_task, states
from celery.signals import task_postrun
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse

from tenants import (
    database_time,
    invitations,
    notifications,
    outbox,
    provider_grants,
    published_heads,
)
from tenants.email import Email, message_id, render_email, send
from tenants.encryption import decrypt, encrypt
from tenants.installation_setup import mail_tests
from tenants.models import Invitation, Notification, OutboxMessage, Tenant, User
from tenants.outbox_tasks import row_of
from tenants.rest import idempotency

logger = logging.getLogger(__name__)

_PURPOSE = b"gangway outbox"
# A result is stored again for this time while PostgreSQL restarts. Less than outbox.SENDING_FOR.
_STORE_FOR_SECONDS = 60.0


class InvalidKeyError(Exception):
    """SECRET_KEY changed, and SECRET_KEY_FALLBACKS does not contain the former key."""


@shared_task(name="tenants.queue_outbox", ignore_result=True)
def queue_outbox() -> None:
    """Queue the messages of the outbox that are due: one for each row."""
    outbox.queue_messages(outbox.claim_due(now=database_time.now()))


@shared_task(name="tenants.read_groups", ignore_result=True)
def read_groups() -> None:
    """Queue one message for each member of the staff whose groups at the provider are due."""
    for public_id in provider_grants.claim_due():
        read_groups_of.delay(public_id)


@shared_task(name="tenants.read_groups_of", ignore_result=True)
def read_groups_of(public_id: str) -> None:
    """Read the groups of one person. Each request is bounded (tenants.provider_session)."""
    provider_grants.read_groups(public_id)


@shared_task(name="tenants.delete_old_messages", ignore_result=True)
def delete_old_messages() -> None:
    """Delete sent messages, and the stored responses of the API that no key can return any more."""
    outbox.delete_old(now=database_time.now())
    idempotency.delete_expired()


@shared_task(
    name=outbox.SEND_TASK, acks_late=True, ignore_result=True, time_limit=110, soft_time_limit=45
)
def send_message(public_id: str, claim_id: str) -> None:
    """Send one e-mail of the outbox. A message of an earlier claim does nothing."""
    message = outbox.start(public_id, claim_id)
    if message is None:
        return
    try:
        email = outbox.composer_of(message.kind).compose(message)
        if email is not None:
            send(email, message_id=message_id(message.public_id, message.kind))
    except Exception as error:  # noqa: BLE001 - also the soft time limit and faults of one composer
        logger.warning("%s was not sent: %s", message, outbox.describe(error))
        failure = error
        _store(lambda: outbox.mark_failed(message, failure))
    else:
        _store(lambda: (outbox.mark_sent if email else outbox.mark_obsolete)(message))


def _store(store: Callable[[], None]) -> None:
    """Store a result, again while the database does not answer: the e-mail would be sent twice."""
    until = time.monotonic() + _STORE_FOR_SECONDS
    while True:
        try:
            return store()
        except DatabaseError:
            if connection.in_atomic_block or time.monotonic() > until:
                raise
            connection.close()
            time.sleep(0.5)


@task_postrun.connect
def end_task_of_outbox(task: Any, state: str, retval: Any, **_: Any) -> None:
    """Delete the row of a task that has succeeded. A killed task is queued again."""
    public_id = row_of(task.request)
    if public_id and state in (states.SUCCESS, states.FAILURE):
        outbox.mark_task_ended(public_id, None if state == states.SUCCESS else retval)


# --- E-mails about accounts


def queue_email(email: Email, *, valid_for: timedelta | None = None) -> None:
    """Queue an e-mail that was composed already. The table contains it encrypted, until it is sent.

    After `valid_for`, for example the time in which its link works, it is not sent any more.
    """
    content = json.dumps([email.subject, email.text, email.html])
    outbox.add(
        "email",
        recipient=email.address,
        payload={"encrypted": encrypt(content, _PURPOSE)},
        expires_at=None if valid_for is None else database_time.now() + valid_for,
    )


def _stored_email(message: OutboxMessage) -> Email:
    content = decrypt(message.payload["encrypted"], _PURPOSE)
    if content is None:
        raise InvalidKeyError
    return Email(message.recipient, *json.loads(content))


def queue_welcome_email(person: User, site: str) -> None:
    """Queue the e-mail with the link to set a password."""
    outbox.add(
        "welcome", recipient=person.email, payload={"person": person.public_id, "site": site}
    )


def _welcome(message: OutboxMessage) -> Email | None:
    site = message.payload["site"]
    person = User.objects.filter(public_id=message.payload["person"], is_active=True).first()
    if person is None:
        return None
    # The key is created here, so that no table and no queue ever contains it.
    key = default_token_generator.make_token(person)
    path = reverse(
        "account_reset_password_from_key",
        kwargs={"uidb36": user_pk_to_url_str(person), "key": key},
    )
    context = {"person": person, "link": f"{site}{path}", "sign_in": f"{site}/accounts/login/"}
    text = render_to_string("emails/welcome.txt", context)
    return Email(person.email, "Your account at Gangway", text)


# --- Invitations


def queue_invitation(invitation: Invitation, site: str) -> None:
    """Queue the e-mail. Call it in the transaction that creates or renews the invitation."""
    outbox.add(
        "invitation",
        recipient=invitation.email,
        tenant=invitation.tenant,
        payload={"invitation": invitation.public_id, "site": site},
    )


def _invitation(message: OutboxMessage) -> Email | None:
    """The e-mail with the link. Each attempt has the same link, so that a duplicate works too."""
    rows = Invitation.objects.select_related("tenant", "invited_by")
    invitation = rows.filter(public_id=message.payload["invitation"]).first()
    token = _link_token(message, invitation) if invitation is not None else None
    if invitation is None or token is None:
        return None
    link = message.payload["site"] + reverse("tenants:invitation", args=[token])
    return render_email(invitation.email, "invitation", {"invitation": invitation, "link": link})


def _link_token(message: OutboxMessage, invitation: Invitation) -> str | None:
    """The token of this message, or None if its invitation is not pending or has a later one."""
    if "token" not in message.payload:
        token = invitations.new_link_token(invitation)
        if token is not None:
            # Stored before the first attempt, and encrypted.
            message.payload["token"] = encrypt(token, _PURPOSE)
            message.save(update_fields=["payload"])
        return token
    token = decrypt(message.payload["token"], _PURPOSE)
    return token if token and invitations.is_current(invitation, token) else None


def _store_sending(message: OutboxMessage, now: datetime) -> None:
    Invitation.objects.filter(public_id=message.payload["invitation"]).update(sent_at=now)


@shared_task(name="tenants.publish_heads", ignore_result=True)
def publish_heads() -> None:
    """Queue the e-mails with the heads of all activity logs, once a day.

    The schedule is hourly, so that a restart of the beat skips no day.
    """
    published_heads.queue_heads()


# --- Notifications


@shared_task(name="tenants.clean_notifications", ignore_result=True)
def clean_notifications() -> None:
    """Queue one message for each tenant with notifications."""
    for tenant_id in notifications.tenants_with_notifications():
        clean_notifications_of.delay(tenant_id)


@shared_task(name="tenants.clean_notifications_of", ignore_result=True)
def clean_notifications_of(tenant_id: int) -> None:
    tenant = Tenant.objects.filter(pk=tenant_id).first()
    if tenant is not None:
        notifications.clean(tenant, now=database_time.now())


def _notifications(message: OutboxMessage) -> Email | None:
    """The e-mail with the unread notifications. None if all are read, or in an earlier e-mail."""
    # A failed attempt has claimed rows. The notification of the message may be read since.
    own = Q(public_id=message.payload["notification"], email_id="") | Q(email_id=message.public_id)
    rows = Notification.objects.select_related("recipient", "tenant")
    first = rows.filter(own, read_at=None).first()
    if first is None:
        return None
    found = notifications.rows_of_email(first, email_id=message.public_id)
    if not found:
        return None
    # No request caused this e-mail, so that only the setting knows the site's address.
    site = settings.SITE_URL
    context = {"tenant": first.tenant, "recipient": first.recipient, "rows": found, "site": site}
    return render_email(first.recipient.email, notifications.EMAIL, context)


outbox.register("heads", outbox.Composer(published_heads.compose))
outbox.register("email", outbox.Composer(_stored_email))
outbox.register(notifications.EMAIL, outbox.Composer(_notifications))
outbox.register("welcome", outbox.Composer(_welcome))
outbox.register(
    mail_tests.KIND, outbox.Composer(mail_tests.compose, after_sending=mail_tests.store_acceptance)
)
outbox.register("invitation", outbox.Composer(_invitation, after_sending=_store_sending))


# --- Messages that version 0.1.0 left in the broker


@shared_task(name="tenants.send_email", acks_late=True, ignore_result=True)
def send_email(subject: str, body: str, to: list[str]) -> None:
    for address in to:
        queue_email(Email(address, subject, body))


@shared_task(name="tenants.send_invitation", acks_late=True, ignore_result=True)
def send_invitation(public_id: str, site: str) -> None:
    invitation = Invitation.objects.select_related("tenant").filter(public_id=public_id).first()
    if invitation is not None:
        queue_invitation(invitation, site)
