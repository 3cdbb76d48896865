"""Test messages and received messages: submit one, and run its check."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from checks.engine.outcomes import CheckKind
from checks.models import Check, SubmittedMessage
from checks.submitted_messages import MessageOfOtherHalf, submit_message
from checks.tasks import run_now
from onboarding.errors import OnboardingError
from onboarding.models import DomainProgress, Plan, Task, TaskRole
from onboarding.plans.domain_progress import confirmed_at
from onboarding.plans.forms.submitted_messages import MessageForm
from onboarding.plans.proof import observed_switch
from onboarding.plans.queries import lock_tasks
from onboarding.plans.rollup import recompute_rollup
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import User
from tenants.services import write_activity


class RepeatedMessage(OnboardingError):
    """The message came from the other half of a hybrid system, as a person stated before."""


def submit_form(
    form: MessageForm, plan: Plan, check: Check, *, by: User
) -> SubmittedMessage | None:
    """Submit the message of a valid form. None after a refusal, which the form then shows."""
    try:
        return submit_test_message(
            plan,
            check,
            form.cleaned_data["content"],
            by=by,
            sending_platform=form.cleaned_data.get("sending_platform", ""),
        )
    except RepeatedMessage as error:
        form.refuse_content(str(error))
        return None


def submit_test_message(
    plan: Plan, check: Check, content: bytes, *, by: User, sending_platform: str = ""
) -> SubmittedMessage:
    """Store a test message for its check and run the check now.

    `sending_platform` is the half of a hybrid system that sent it. An earlier message proves
    nothing about a switch, so its time is stored with the message. Raises RepeatedMessage for the
    message of the other half.
    """
    not_before = _switch_before(plan, check)
    with transaction.atomic():
        # The tasks before the check: docs/architecture.md has the order of all locks.
        tasks = lock_tasks(plan.pk)
        try:
            shown = submit_message(
                check,
                content,
                by=by,
                at=database_time.now(),
                # A signature and a Received line have the time in whole seconds.
                not_before=not_before.replace(microsecond=0) if not_before is not None else None,
                sending_platform=sending_platform,
            )
        except MessageOfOtherHalf as error:
            raise RepeatedMessage(
                "This message was submitted for the other platform. Send a new message through the"
                " connector of this platform."
            ) from error
        run_now([check])
        write_activity(
            plan.tenant,
            ActivityName.RECEIVED_MESSAGE_SUBMITTED
            if check.kind == CheckKind.DELIVERY_MESSAGE
            else ActivityName.TEST_MESSAGE_SUBMITTED,
            by=by,
            domain=check.subject,
            sha256=shown.sha256,
        )
        # A task that waited for the message waits for its check from now on.
        recompute_rollup(plan, tasks)
    return shown


def _switch_before(plan: Plan, check: Check) -> datetime | None:
    """The time that a message must follow: the observed MX switch of a received message, else the
    client's confirmation of the outbound cutover. None before it."""
    if check.kind == CheckKind.DELIVERY_MESSAGE:
        mx = Check.objects.filter(domain=check.domain_id, kind=CheckKind.MX, is_active=True)
        return observed_switch(mx.first())
    switch = Task.objects.filter(plan=plan, role=TaskRole.SWITCHES_OUTBOUND).first()
    row = DomainProgress.objects.filter(task=switch, domain=check.domain_id).first()
    return confirmed_at(switch, row) if switch is not None else None
