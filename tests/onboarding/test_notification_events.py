"""The events that notify people, with the recipients of their e-mails."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.collaboration.comments import NewComment, add_comment, delete_comment
from onboarding.cutovers.go_no_go import Vote, cast_vote, name_approvers
from onboarding.cutovers.planning import cancel_cutover, change_cutover
from onboarding.cutovers.room import load_facts
from onboarding.lifecycle.offboarding import close_tenant
from onboarding.models import Comment, Cutover, Drift, DriftNotification, Monitoring, Reminder, Task
from onboarding.monitoring import drifts
from onboarding.monitoring import notifications as drift_notifications
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.reminders import create_reminders
from tenants.models import Notification, Tenant, User
from tenants.notification_texts import path_of, sentence_of
from tests.cutovers import cutover_of
from tests.factories import RunCheck, SignIn, task_of
from tests.lock_order import LockOrder

KEY = "initial-conversation"  # both sides, no dependencies


@pytest.fixture
def led(tenant: Tenant, consultant: User, owner: User) -> Tenant:
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    return Tenant.objects.get(pk=tenant.pk)


def _rows(kind: str) -> list[Notification]:
    return list(Notification.objects.filter(kind=kind).order_by("recipient__name"))


def _told(kind: str) -> dict[str, str]:
    return {row.recipient.name: sentence_of(row) for row in _rows(kind)}


def _comment(tenant: Tenant, by: User, side: str, **values: Any) -> Comment:
    reply_to = values.pop("reply_to", None)
    new = NewComment(values.pop("body", "A text."), **values)
    return add_comment(task_of(tenant, KEY), new, by=by, side=side, reply_to=reply_to)


def test_question_notifies_the_asked_side(
    led: Tenant, owner: User, member: User, viewer: User, consultant: User
) -> None:
    _comment(led, consultant, "mimecast", asked_side="client")

    sentence = f"Con Sultant asks you a question on “{task_of(led, KEY).title}”."
    assert _told("question") == {owner.name: sentence, member.name: sentence}


def test_question_notifies_the_assignee_alone(
    led: Tenant, owner: User, member: User, consultant: User
) -> None:
    Task.objects.filter(plan__tenant=led, key=KEY).update(assignee=member)

    _comment(led, consultant, "mimecast", asked_side="client")

    assert list(_told("question")) == [member.name]


def test_answer_notifies_its_asker(led: Tenant, owner: User, consultant: User) -> None:
    question = _comment(led, consultant, "mimecast", asked_side="client")

    _comment(led, owner, "client", reply_to=question)

    assert list(_told("answer")) == [consultant.name]


def test_reply_of_the_same_side_is_no_answer(
    led: Tenant, owner: User, consultant: User, administrator: User
) -> None:
    question = _comment(led, consultant, "mimecast", asked_side="client")

    _comment(led, administrator, "mimecast", reply_to=question)
    _comment(led, administrator, "mimecast", reply_to=question, is_internal=True)

    assert _told("answer") == {}


def test_mention_notifies_a_person_once(led: Tenant, owner: User, consultant: User) -> None:
    body = f"@{owner.name} please see this."

    _comment(led, consultant, "mimecast", body=body, asked_side="client")

    assert [row.kind for row in Notification.objects.all()] == ["question"]


def test_internal_mention_is_marked(led: Tenant, administrator: User, consultant: User) -> None:
    body = f"@{administrator.name} please see this."

    _comment(led, consultant, "mimecast", body=body, is_internal=True)

    assert [row.is_internal for row in _rows("mention")] == [True]


def test_deleted_comment_has_no_notification(led: Tenant, owner: User, consultant: User) -> None:
    made = _comment(led, consultant, "mimecast", asked_side="client")

    delete_comment(made, by=consultant)

    assert Notification.objects.count() == 0


def test_reminder_and_email_have_equal_recipients(
    led: Tenant, owner: User, member: User, consultant: User
) -> None:
    Task.objects.filter(plan__tenant=led, key=KEY).update(
        waiting_on="client", waiting_since=timezone.now()
    )

    create_reminders(led.plan, [task_of(led, KEY)], by=consultant)

    mailed = set(Reminder.objects.values_list("recipient__name", flat=True))
    sentence = f"Con Sultant reminds you: “{task_of(led, KEY).title}” waits on you."
    assert mailed == {owner.name, member.name}
    assert _told("reminder") == dict.fromkeys(mailed, sentence)


def test_drift_and_email_have_equal_recipients(led: Tenant, owner: User, consultant: User) -> None:
    now = timezone.now()
    for kind in (Drift.Kind.LEFTOVER_MX, Drift.Kind.KEY_GONE):
        drifts.open_drift(led, kind, "northwind.test", now=now)

    drift_notifications.create_notifications(led, now=now + timedelta(hours=1))

    mailed = set(DriftNotification.objects.values_list("recipient__name", flat=True))
    sentence = "MX records changed: northwind.test, and 1 more."
    assert mailed == {owner.name, consultant.name}
    assert _told("drift") == dict.fromkeys(mailed, sentence)


def _lose_proof(tenant: Tenant, run_check: RunCheck) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    for minute in (1, 6, 11):
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.FAIL, minutes=minute)


def _cutover(tenant: Tenant) -> Cutover:
    return cutover_of(tenant, "inbound", timezone.now() + timedelta(days=20))


def test_approvers_are_asked_to_vote(led: Tenant, owner: User, consultant: User) -> None:
    made = _cutover(led)

    name_approvers(made, mimecast=consultant, client=owner, by=consultant)

    (request,) = _rows("vote")
    assert request.recipient == owner
    assert sentence_of(request).startswith("The inbound cutover of northwind.test (")
    zone = ZoneInfo(led.time_zone)
    assert f"{made.planned_at.astimezone(zone):%H:%M %Z}) needs your" in sentence_of(request)
    room = reverse("onboarding:cutover-room", args=[led.public_id, made.public_id])
    assert path_of(request) == f"{room}#go-no-go-title"


def test_another_approver_replaces_the_request(
    led: Tenant, owner: User, consultant: User, administrator: User
) -> None:
    made = _cutover(led)
    name_approvers(made, mimecast=administrator, client=owner, by=consultant)

    name_approvers(made, mimecast=administrator, client=None, by=consultant)

    assert list(_told("vote")) == [administrator.name]


def test_moved_window_asks_again(led: Tenant, owner: User, consultant: User) -> None:
    made = _cutover(led)
    name_approvers(made, mimecast=None, client=owner, by=consultant)
    Notification.objects.update(read_at=timezone.now())
    at = made.planned_at + timedelta(days=1)

    change_cutover(
        made,
        at,
        list(made.domains.all()),
        expected_round=made.round,
        by=consultant,
        reason="Agreed",
    )

    (request,) = _rows("vote")
    assert (request.recipient, request.read_at) == (owner, None)
    assert request.params["planned_at"] == at.isoformat()


def test_cancelled_cutover_asks_for_no_vote(led: Tenant, owner: User, consultant: User) -> None:
    made = _cutover(led)
    name_approvers(made, mimecast=None, client=owner, by=consultant)

    cancel_cutover(made, by=consultant)

    assert _told("vote") == {}


def test_every_link_answers(led: Tenant, owner: User, consultant: User, signed_in: SignIn) -> None:
    _comment(led, consultant, "mimecast", asked_side="client")
    name_approvers(_cutover(led), mimecast=None, client=owner, by=consultant)
    create_reminders(led.plan, [task_of(led, KEY)], by=consultant)
    client = signed_in(owner)

    answers = {row.kind: client.get(path_of(row)).status_code for row in Notification.objects.all()}

    assert answers == {"question": 200, "vote": 200, "reminder": 200}


@pytest.mark.parametrize("is_monitored", [False, True])
def test_lost_proof_is_reported_once(
    led: Tenant, owner: User, consultant: User, run_check: RunCheck, is_monitored: bool
) -> None:
    """The monitoring reports a fact that can drift. An ownership record cannot."""
    if is_monitored:
        Monitoring.objects.create(tenant=led, started_at=timezone.now(), reason="cutover")
    _lose_proof(led, run_check)

    assert set(_told("regressed")) == {owner.name, consultant.name}


@pytest.mark.slow
def test_notifications_follow_the_log_in_the_order_of_locks(
    led: Tenant, owner: User, consultant: User
) -> None:
    made, comment = _cutover(led), _comment(led, consultant, "mimecast", asked_side="client")
    context = PlanContext.of(led)
    facts = load_facts(made, [], context, [], led.region_values, now=timezone.now())
    order = LockOrder()
    with connection.execute_wrapper(order):
        name_approvers(made, mimecast=consultant, client=owner, by=consultant)
        made.refresh_from_db()
        vote = Vote(made.planned_at, made.round, False, "Not yet.")
        cast_vote(made, vote, [], facts, by=owner)
        change_cutover(
            made,
            made.planned_at + timedelta(days=1),
            list(made.domains.all()),
            expected_round=made.round,
            by=consultant,
            reason="Agreed",
        )
        delete_comment(comment, by=consultant)
        cancel_cutover(made, by=consultant)
        close_tenant(led, by=consultant, reason="The client has left.")

    assert order.violations == []
