"""The nightly e-mail with the heads of all activity logs, once a day to each administrator."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from tenants import database_time, outbox
from tenants.activity import add_line, lock_installation_chain, register_logs
from tenants.activity_names import ActivityName
from tenants.email import Email, render_email
from tenants.log_verification import current_heads, unregistered_logs
from tenants.models import ActivityChain, ActivityLine, OutboxMessage, Tenant, User


def queue_heads() -> None:
    """Queue the e-mails of the day (UTC), and log it.

    Does nothing if they were queued already on this or a later day, or if there is no log. The line
    in the installation's log is the record of that: two workers at once queue one e-mail for each
    administrator.
    """
    day = database_time.now().date().isoformat()
    with transaction.atomic():
        lock_installation_chain()
        sent = ActivityLine.objects.filter(
            scope=ActivityChain.INSTALLATION, action=ActivityName.HEADS_SENT
        )
        latest = sent.order_by("-number").first()
        if latest is not None and latest.params["day"] >= day:
            return
        missing = unregistered_logs()
        if missing:
            register_logs(missing)
        heads = len(current_heads())
        people = list(_administrators())
        if not heads or not people:
            return
        add_line(None, ActivityName.HEADS_SENT, by=None, params={"day": day, "logs": heads})
        for person in people:
            payload = {"person": person.public_id, "day": day}
            outbox.add("heads", recipient=person.email, payload=payload)


def compose(message: OutboxMessage) -> Email | None:
    """The e-mail with the present heads. None if the person is no administrator any more."""
    person = _administrators().filter(public_id=message.payload["person"]).first()
    if person is None:
        return None
    names = dict(Tenant.objects.values_list("public_id", "name"))
    lines = [f"{head} {names.get(head.scope, '')}".rstrip() for head in current_heads()]
    context = {"person": person, "day": message.payload["day"], "lines": lines}
    return render_email(person.email, "heads", context)


def _administrators() -> QuerySet[User]:
    return User.objects.filter(staff_role=User.StaffRole.ADMINISTRATOR, is_active=True).order_by(
        "pk"
    )
