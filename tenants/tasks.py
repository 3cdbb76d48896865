"""Letters of the account pages. Sent twice when a worker dies in between, which does no harm."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from smtplib import SMTPException
from typing import Any

from celery import shared_task
from django.core.mail import EmailMessage

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Letter:
    subject: str
    body: str
    to: list[str]


def queue_letter(letter: Letter) -> None:
    """Have a worker send it. What it says stays out of the workers' logs and events."""
    send_letter.s(letter.subject, letter.body, letter.to).apply_async(argsrepr="('[a letter]',)")


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
