"""E-mails from templates/emails: a subject, a text part and an HTML part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from tenants.visible_text import visible


@dataclass(frozen=True)
class Email:
    """An e-mail to one address. `html` is optional."""

    address: str
    subject: str
    text: str
    html: str = ""


def render_email(address: str, name: str, context: Mapping[str, object]) -> Email:
    """The e-mail `name` to one address. Line breaks in the subject become spaces."""
    return Email(
        address,
        " ".join(render_to_string(f"emails/{name}.subject.txt", context).split()),
        _without_gaps(render_to_string(f"emails/{name}.txt", context)),
        render_to_string(f"emails/{name}.html", context),
    )


def send(email: Email, *, message_id: str) -> None:
    """Send an e-mail now. A second copy has the same `message_id`: mail programs show one.

    Raises SMTPException or OSError if the mail server did not accept it.
    """
    mail = EmailMultiAlternatives(visible(email.subject), visible(email.text), to=[email.address])
    mail.extra_headers["Message-ID"] = message_id
    if email.html:
        mail.attach_alternative(visible(email.html), "text/html")
    mail.send()


def message_id(public_id: str, kind: str) -> str:
    """The Message-ID of the e-mail of a row."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{public_id}.{kind}@{domain}>"


def _without_gaps(text: str) -> str:
    """Reduce repeated empty lines to one, and remove those at both ends."""
    return re.sub(r"\n\s*\n", "\n\n", text).strip() + "\n"
