"""Mails to people, from templates/emails: a subject, a text, and the same as HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string


def send_template_email(
    address: str, name: str, context: Mapping[str, object], *, message_id: str = ""
) -> None:
    """Send the mail `name` to one address. Its subject is one line, whatever names it quotes.

    One that may be sent twice carries a `message_id` of its own, by which mail programs know it.
    """
    subject = " ".join(render_to_string(f"emails/{name}.subject.txt", context).split())
    text = _without_gaps(render_to_string(f"emails/{name}.txt", context))
    mail = EmailMultiAlternatives(subject, text, to=[address])
    if message_id:
        mail.extra_headers["Message-ID"] = message_id
    mail.attach_alternative(render_to_string(f"emails/{name}.html", context), "text/html")
    mail.send()


def _without_gaps(text: str) -> str:
    """One empty line where a template's own lines left several, and none at the ends."""
    return re.sub(r"\n\s*\n", "\n\n", text).strip() + "\n"
