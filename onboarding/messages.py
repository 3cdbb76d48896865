"""A test message of a tenant: put before its check, with the cutover it is to speak for."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from checks.messages import show_message
from checks.models import Check, ShownMessage
from checks.tasks import look_now
from onboarding.models import Cutover, Plan
from tenants.models import User
from tenants.services import write_activity


def put_before_check(plan: Plan, check: Check, content: bytes, *, by: User) -> ShownMessage:
    """Keep the message until a worker has judged it, and have it looked at now.

    A message from before the domain's planned outbound cutover says nothing of it, so its moment
    goes along.
    """
    outbound = Cutover.objects.filter(plan=plan, direction=Cutover.Direction.OUTBOUND)
    planned = outbound.filter(domains=check.domain).first() if check.domain is not None else None
    with transaction.atomic():
        shown = show_message(
            check,
            content,
            by=by,
            at=timezone.now(),
            not_before=planned.planned_at if planned is not None else None,
        )
        look_now([check])
        write_activity(
            plan.tenant, "message-shown", by=by, domain=check.subject, sha256=shown.sha256
        )
        plan.touch()
    return shown
