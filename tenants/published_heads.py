"""The nightly e-mail with the heads of all activity logs, once a day to each administrator."""

from __future__ import annotations

from email.utils import parseaddr

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from tenants import database_time
from tenants.activity import add_line, lock_installation_chain, register_logs
from tenants.activity_names import ActivityName
from tenants.email import send_template_email
from tenants.log_verification import current_heads, unregistered_logs
from tenants.models import ActivityChain, ActivityLine, Tenant, User


def start_day() -> list[tuple[str, str]]:
    """Log that the heads of the day (UTC) are sent. Returns pairs of an administrator and the day.

    Empty if they were sent already on this or a later day, or if there is no log. The line in the
    installation's log is the record of that: two workers at once send one e-mail.
    """
    day = database_time.now().date().isoformat()
    with transaction.atomic():
        lock_installation_chain()
        sent = ActivityLine.objects.filter(
            scope=ActivityChain.INSTALLATION, action=ActivityName.HEADS_SENT
        )
        latest = sent.order_by("-number").first()
        if latest is not None and latest.params["day"] >= day:
            return []
        missing = unregistered_logs()
        if missing:
            register_logs(missing)
        heads = len(current_heads())
        people = list(_administrators().values_list("public_id", flat=True))
        if not heads or not people:
            return []
        params = {"day": day, "logs": heads}
        add_line(None, ActivityName.HEADS_SENT, by=None, params=params)
    return [(person_id, day) for person_id in people]


def send_heads(person_id: str, day: str) -> None:
    """Send the present heads to an administrator. Raises the errors of the mail server."""
    person = _administrators().filter(public_id=person_id).first()
    if person is None:
        return
    names = dict(Tenant.objects.values_list("public_id", "name"))
    lines = [f"{head} {names.get(head.scope, '')}".rstrip() for head in current_heads()]
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    send_template_email(
        person.email,
        "heads",
        {"person": person, "day": day, "lines": lines},
        message_id=f"<{day}.{person_id}.heads@{domain}>",
    )


def _administrators() -> QuerySet[User]:
    return User.objects.filter(staff_role=User.StaffRole.ADMINISTRATOR, is_active=True).order_by(
        "pk"
    )
