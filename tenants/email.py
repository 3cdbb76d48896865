"""Sends e-mails from templates/emails: a subject, a text part and an HTML part."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from tenants.visible_text import visible


def send_template_email(
    address: str, name: str, context: Mapping[str, object], *, message_id: str = ""
) -> None:
    """Send the e-mail `name` to one address. Line breaks in the subject become spaces.

    Pass a `message_id` for an e-mail that may be sent twice: mail programs show it once.
    """
    subject, text, html = (
        visible(render_to_string(f"emails/{name}.{part}", context))
        for part in ("subject.txt", "txt", "html")
    )
    subject, text = " ".join(subject.split()), _without_gaps(text)
    mail = EmailMultiAlternatives(subject, text, to=[address])
    if message_id:
        mail.extra_headers["Message-ID"] = message_id
    mail.attach_alternative(html, "text/html")
    mail.send()


def _without_gaps(text: str) -> str:
    """Reduce repeated empty lines to one, and remove those at both ends."""
    return re.sub(r"\n\s*\n", "\n\n", text).strip() + "\n"
