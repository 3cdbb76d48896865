"""Celery tasks that send e-mails to people.

If a worker dies between sending and acknowledging, the e-mail is sent twice, which is harmless. The
nightly heads are the exception: they are sent at most once.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from smtplib import SMTPConnectError, SMTPException, SMTPResponseException
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from celery import shared_task
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from kombu.exceptions import OperationalError

from tenants import invitations, published_heads
from tenants.email import send_template_email
from tenants.models import Invitation, User
from tenants.visible_text import visible

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmailContent:
    subject: str
    body: str
    to: list[str]


def queue_email(content: EmailContent) -> None:
    """Queue an e-mail. Its content stays out of the workers' logs and events."""
    send_email.s(content.subject, content.body, content.to).apply_async(argsrepr="('[hidden]',)")


def queue_welcome_email(person: User, site: str) -> None:
    """Queue the e-mail with the link to set a password, after the transaction commits."""
    key = default_token_generator.make_token(person)
    path = reverse(
        "account_reset_password_from_key",
        kwargs={"uidb36": user_pk_to_url_str(person), "key": key},
    )
    context = {"person": person, "link": f"{site}{path}", "sign_in": f"{site}/accounts/login/"}
    body = render_to_string("emails/welcome.txt", context)
    content = EmailContent("Your account at Gangway", body, [person.email])
    transaction.on_commit(functools.partial(queue_email, content))


@shared_task(
    name="tenants.send_email",
    bind=True,
    max_retries=5,
    acks_late=True,
    ignore_result=True,
    time_limit=60,
    soft_time_limit=45,
)
def send_email(self: Any, subject: str, body: str, to: list[str]) -> None:
    try:
        EmailMessage(visible(subject), visible(body), to=to).send()
    except (SMTPException, OSError) as error:
        logger.warning("the mail server rejected an e-mail: %s", error)
        raise self.retry(countdown=10 * 2**self.request.retries, exc=error) from error


@shared_task(
    name="tenants.send_invitation",
    acks_late=True,
    ignore_result=True,
    autoretry_for=(OSError,),
    retry_backoff=30,
    max_retries=6,
)
def send_invitation(public_id: str, site: str) -> None:
    """Send the link. The token is created here, so that no queue and no table ever contains it.

    A second run sends a second e-mail, and only the later link works.
    """
    invitation = (
        Invitation.objects.select_related("tenant", "invited_by")
        .filter(public_id=public_id)
        .first()
    )
    token = invitations.new_link_token(invitation) if invitation is not None else None
    if invitation is None or token is None:
        return
    link = site + reverse("tenants:invitation", args=[token])
    send_template_email(invitation.email, "invitation", {"invitation": invitation, "link": link})


def queue_invitation(invitation: Invitation, site: str) -> None:
    """Queue the e-mail after the transaction commits."""
    transaction.on_commit(functools.partial(_send_to_broker, invitation.public_id, site))


def _send_to_broker(public_id: str, site: str) -> None:
    try:
        send_invitation.delay(public_id, site)
    except OperationalError:
        # The page shows the invitation as not sent, with a button that sends it.
        logger.warning("no broker: invitation %s was not sent", public_id)


@shared_task(name="tenants.publish_heads", ignore_result=True)
def publish_heads() -> None:
    """Queue one e-mail with the heads of all activity logs for each administrator, once a day.

    The schedule is hourly, so that a restart of the beat skips no day.
    """
    for person_id, day in published_heads.start_day():
        send_heads.delay(person_id, day)


@shared_task(
    name="tenants.send_heads",
    bind=True,
    max_retries=5,
    acks_late=False,
    reject_on_worker_lost=False,
    ignore_result=True,
)
def send_heads(self: Any, person_id: str, day: str) -> None:
    """Send the e-mail at most once: acknowledged before, and repeated only after a refusal."""
    try:
        published_heads.send_heads(person_id, day)
    except (ConnectionRefusedError, SMTPConnectError, SMTPResponseException) as error:
        raise self.retry(countdown=60 * 2**self.request.retries, exc=error) from error
    except (SMTPException, OSError) as error:
        logger.warning("the heads of %s were perhaps not sent to %s: %s", day, person_id, error)
