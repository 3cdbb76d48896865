"""Celery's doors to people: the mails they are sent.

A mail goes twice when a worker dies in between, which does no harm.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from smtplib import SMTPException
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from celery import shared_task
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from kombu.exceptions import OperationalError

from tenants import invitations
from tenants.mails import send_mail_to
from tenants.models import Invitation, User

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Letter:
    subject: str
    body: str
    to: list[str]


def queue_letter(letter: Letter) -> None:
    """Have a worker send it. What it says stays out of the workers' logs and events."""
    send_letter.s(letter.subject, letter.body, letter.to).apply_async(argsrepr="('[a letter]',)")


def queue_welcome(person: User, site: str) -> None:
    """Mail a new colleague the link by which they set their password, once this is committed."""
    key = default_token_generator.make_token(person)
    path = reverse(
        "account_reset_password_from_key",
        kwargs={"uidb36": user_pk_to_url_str(person), "key": key},
    )
    context = {"person": person, "link": f"{site}{path}", "sign_in": f"{site}/accounts/login/"}
    body = render_to_string("emails/welcome.txt", context)
    letter = Letter("Your account at Gangway", body, [person.email])
    transaction.on_commit(functools.partial(queue_letter, letter))


@shared_task(
    name="tenants.send_letter",
    bind=True,
    max_retries=5,
    acks_late=True,
    ignore_result=True,
    time_limit=60,
    soft_time_limit=45,
)
def send_letter(self: Any, subject: str, body: str, to: list[str]) -> None:
    try:
        EmailMessage(subject, body, to=to).send()
    except (SMTPException, OSError) as error:
        logger.warning("the mail server took no letter: %s", error)
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
    """Mail the link. Its token is made here, so that no queue and no table ever holds it.

    Run twice, it sends two mails, of which the later one's link works.
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
    send_mail_to(invitation.email, "invitation", {"invitation": invitation, "link": link})


def send_invitation_soon(invitation: Invitation, site: str) -> None:
    """Queue the mail once the transaction has committed."""
    transaction.on_commit(functools.partial(_queue, invitation.public_id, site))


def _queue(public_id: str, site: str) -> None:
    try:
        send_invitation.delay(public_id, site)
    except OperationalError:
        # The page shows the invitation as not sent yet, with a button to send it.
        logger.warning("no broker: invitation %s was not sent", public_id)
