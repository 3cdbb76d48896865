"""The outbox: stored with the change, sent once for each claim, and tried again after a failure."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any

import pytest
from celery import current_app, shared_task
from django.core import mail
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from tenants import broker, database_time, event_counts, invitations, outbox
from tenants.email import Email
from tenants.models import EventCount, OutboxMessage, Tenant, User
from tenants.tasks import queue_email, queue_invitation, queue_outbox, send_message
from tests.clock import frozen
from tests.factories import MakeTenant

pytestmark = pytest.mark.django_db
SECRET = "https://gangway.example/accounts/password/reset/key/a-secret/"
ADDRESS = "ann@outside.test"


@pytest.fixture
def stored() -> OutboxMessage:
    """An e-mail that the broker did not get."""
    queue_email(Email(ADDRESS, "Reset", SECRET))
    OutboxMessage.objects.update(claim_id="", claimed_until=None)
    return OutboxMessage.objects.get()


def _claimed(at: Any = None) -> OutboxMessage:
    (message,) = outbox.claim_due(now=at or database_time.now())
    return message


def _fail(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def send(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("tenants.tasks.send", send)


def test_content_is_encrypted_and_deleted(stored: OutboxMessage) -> None:
    assert "a-secret" not in json.dumps(stored.payload)

    queue_outbox()

    stored.refresh_from_db()
    (sent,) = mail.outbox
    assert (sent.to, sent.subject, sent.body) == ([ADDRESS], "Reset", SECRET)
    assert (stored.payload, stored.recipient, stored.attempts) == ({}, "", 1)
    assert stored.sent_at is not None


@pytest.mark.django_db(transaction=True)
def test_rolled_back_change_sends_nothing() -> None:
    with transaction.atomic():
        queue_email(Email(ADDRESS, "Reset", SECRET))
        transaction.set_rollback(True)

    assert (OutboxMessage.objects.count(), mail.outbox) == (0, [])


def test_duplicates_and_earlier_claims_do_nothing(stored: OutboxMessage) -> None:
    earlier = _claimed()
    newer = _claimed(database_time.now() + outbox.QUEUED_FOR)

    send_message(earlier.public_id, earlier.claim_id)
    assert mail.outbox == []
    send_message(newer.public_id, newer.claim_id)
    send_message(newer.public_id, newer.claim_id)

    assert len(mail.outbox) == 1


def test_claimed_message_is_not_claimed_again(stored: OutboxMessage) -> None:
    _claimed()

    assert outbox.claim_due(now=database_time.now()) == []


def test_duplicate_after_a_crash_has_the_same_message_id(
    stored: OutboxMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _claimed()
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "mark_sent", lambda message: None)  # the worker dies before it
        send_message(first.public_id, first.claim_id)
    later = _claimed(database_time.now() + outbox.SENDING_FOR)
    send_message(later.public_id, later.claim_id)

    ids = [sent.extra_headers["Message-ID"] for sent in mail.outbox]
    assert ids == [f"<{stored.public_id}.email@localhost>"] * 2


@pytest.mark.parametrize(
    ("error", "description"),
    [
        (
            SMTPRecipientsRefused({ADDRESS: (550, b"no ann@outside.test")}),
            "SMTPRecipientsRefused 550",
        ),
        (SMTPServerDisconnected("ann@outside.test"), "SMTPServerDisconnected"),
        (TimeoutError("timed out"), "TimeoutError"),
        (ValueError("a fault of the composer"), "ValueError"),
    ],
)
def test_failure_is_tried_again_without_the_address(
    stored: OutboxMessage, monkeypatch: pytest.MonkeyPatch, error: Exception, description: str
) -> None:
    _fail(monkeypatch, error)
    before = database_time.now()

    queue_outbox()

    stored.refresh_from_db()
    assert (stored.attempts, stored.last_error) == (1, description)
    assert (stored.sent_at, stored.claimed_until) == (None, None)
    pause = stored.not_before - before
    assert timedelta(seconds=10) <= pause < timedelta(seconds=12)


def test_pauses_grow_to_an_hour() -> None:
    pauses = [outbox.pause_after(attempts).total_seconds() for attempts in range(1, 12)]

    assert pauses == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


def test_failing_email_ends_after_three_days(
    stored: OutboxMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail(monkeypatch, TimeoutError())
    with frozen(timezone.now() + outbox.GIVE_UP_AFTER - timedelta(minutes=1)):
        OutboxMessage.objects.update(attempts=30)

        queue_outbox()

    stored.refresh_from_db()
    assert (stored.payload, stored.recipient, stored.last_error) == ({}, "", "TimeoutError")
    assert stored.ended_at is not None
    assert outbox.state() == outbox.OutboxState(0, None, 1)


def test_email_of_another_key_fails(stored: OutboxMessage, settings: Any) -> None:
    settings.SECRET_KEY = "another-key-" * 5

    queue_outbox()

    stored.refresh_from_db()
    assert (stored.ended_at, stored.last_error) == (None, "InvalidKeyError")


def test_expired_code_is_not_sent() -> None:
    queue_email(Email(ADDRESS, "Code", "ABC123"), valid_for=timedelta(minutes=10))
    OutboxMessage.objects.update(claim_id="", claimed_until=None)

    with frozen(timezone.now() + timedelta(minutes=10)):
        queue_outbox()

    assert mail.outbox == []
    assert OutboxMessage.objects.get().last_error == "expired"


# --- Invitations


def _links() -> list[str]:
    return [re.findall(r"/invitations/\S+/", str(sent.body))[0] for sent in mail.outbox]


def test_second_attempt_has_the_same_link(
    tenant: Tenant, consultant: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mail program may show only one of two e-mails with one Message-ID."""
    invitation = invitations.invite(tenant, ADDRESS, "member", by=consultant)
    queue_invitation(invitation, "")
    message = OutboxMessage.objects.get()
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "mark_sent", lambda message: None)
        send_message(message.public_id, message.claim_id)
    again = _claimed(database_time.now() + outbox.SENDING_FOR)
    token = _links()[0].split("/")[2]
    assert token not in json.dumps(again.payload)
    invitation.refresh_from_db()
    assert invitation.sent_at is None

    send_message(again.public_id, again.claim_id)

    assert len(set(_links())) == 1
    assert len(mail.outbox) == 2
    invitation.refresh_from_db()
    assert invitation.sent_at is not None


def test_revoked_invitation_is_not_sent(tenant: Tenant, consultant: User) -> None:
    invitation = invitations.invite(tenant, ADDRESS, "member", by=consultant)
    queue_invitation(invitation, "")
    invitations.revoke(invitation, by=consultant)

    message = OutboxMessage.objects.get()
    send_message(message.public_id, message.claim_id)

    message.refresh_from_db()
    assert (mail.outbox, message.recipient) == ([], "")
    assert message.ended_at is not None
    assert outbox.state().failed == 0


@pytest.mark.parametrize(
    ("has_account", "remaining"),
    [
        (False, ["other tenant", "other address"]),
        (True, ["account", "other tenant", "other address"]),
    ],
)
def test_erasure_deletes_waiting_emails(
    make_tenant: MakeTenant, has_account: bool, remaining: list[str]
) -> None:
    erased, other = make_tenant("erased"), make_tenant("other")
    for name, recipient, tenant in (
        ("own", ADDRESS, erased),
        ("account", ADDRESS, None),
        ("other tenant", ADDRESS, other),
        ("other address", f"x{ADDRESS}", erased),
    ):
        outbox.add("invitation", recipient=recipient, tenant=tenant, payload={"name": name})

    outbox.forget(ADDRESS.upper(), tenant=erased, has_account=has_account)

    left = OutboxMessage.objects.order_by("pk").values_list("payload__name", flat=True)
    assert list(left) == remaining


# --- Messages to workers


@shared_task(name="tests.outbox", ignore_result=True)
def _work(outcome: str) -> None:
    if outcome == "fails":
        raise ValueError(ADDRESS)


def test_successful_task_leaves_no_row(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        outbox.queue_task(_work, "succeeds")
        assert OutboxMessage.objects.count() == 1

    assert not OutboxMessage.objects.exists()


@pytest.mark.usefixtures("without_eager_errors")
def test_failed_task_is_queued_again(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        outbox.queue_task(_work, "fails")

    message = OutboxMessage.objects.get()
    assert (message.attempts, message.last_error) == (1, "ValueError")
    assert message.not_before > database_time.now()
    OutboxMessage.objects.update(payload=message.payload | {"args": ["succeeds"]})
    outbox.queue_messages(outbox.claim_due(now=message.not_before))
    assert not OutboxMessage.objects.exists()


def test_task_for_later_waits(django_capture_on_commit_callbacks: Any) -> None:
    later = database_time.now() + timedelta(seconds=90)

    with django_capture_on_commit_callbacks(execute=True):
        outbox.queue_task(_work, "succeeds", not_before=later)

    assert outbox.claim_due(now=database_time.now()) == []
    assert len(outbox.claim_due(now=later)) == 1


def test_unknown_task_stops_no_other_message(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("onboarding.renamed", "tests.outbox"):
        outbox.add(
            outbox.TASK,
            payload={"task": name, "args": ["succeeds"], "queue": ""},
            not_before=database_time.now() + timedelta(seconds=1),
        )
    event_counts.discard()
    later = database_time.now() + timedelta(seconds=2)

    outbox.queue_messages(outbox.claim_due(now=later))

    event_counts.store()
    left = OutboxMessage.objects.get()
    assert (left.payload["task"], left.last_error) == ("onboarding.renamed", "NotRegistered")
    assert EventCount.objects.get().name == event_counts.Event.UNKNOWN_TASK
    assert "onboarding.renamed" in caplog.text

    OutboxMessage.objects.update(created_at=later - outbox.GIVE_UP_AFTER)
    outbox.queue_messages(outbox.claim_due(now=left.not_before))

    left.refresh_from_db()
    assert (left.ended_at is not None, left.last_error) == (True, "NotRegistered")


# --- Fairness and leases of tasks

# A task of the queue of scans, and one of another queue.
SCAN, EXPORT = "onboarding.scan_dns", "onboarding.build_export"


def _add_tasks(name: str, number: int, tenant: Tenant | None = None) -> None:
    for argument in range(number):
        outbox.queue_task(current_app.tasks[name], argument, tenant=tenant, is_deferred=True)


def _claimed_tasks() -> list[OutboxMessage]:
    claimed = outbox.claim_due(now=database_time.now())
    return [message for message in claimed if message.kind == outbox.TASK]


def test_waiting_emails_delay_no_task() -> None:
    for number in range(outbox.MOST_QUEUED + 20):
        queue_email(Email(f"p{number}@outside.test", "Code", "ABC123"))
    OutboxMessage.objects.update(claim_id="", claimed_until=None)
    _add_tasks(SCAN, 1)

    assert [message.payload["task"] for message in _claimed_tasks()] == [SCAN]
    # The e-mails of the first tick occupy all their slots now.
    _add_tasks(EXPORT, 1)
    assert [message.payload["task"] for message in _claimed_tasks()] == [EXPORT]


def test_queue_alternates_between_tenants(make_tenant: MakeTenant) -> None:
    large, small = make_tenant("large"), make_tenant("small")
    _add_tasks(SCAN, 3 * outbox.MOST_QUEUED_TASKS, large)
    _add_tasks(SCAN, 2, small)
    _add_tasks(EXPORT, 1, large)

    claimed = _claimed_tasks()

    scans = [message for message in claimed if message.payload["task"] == SCAN]
    assert len(scans) == outbox.MOST_QUEUED_TASKS
    assert sum(message.tenant_id == small.pk for message in scans) == 2
    assert len(claimed) == outbox.MOST_QUEUED_TASKS + 1
    assert _claimed_tasks() == []


def test_most_tasks_of_one_change_are_deferred(
    tenant: Tenant, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[Any, ...]] = []

    def send(task: Any, args: tuple[Any, ...], **_: Any) -> bool:
        sent.append(args)
        return True

    monkeypatch.setattr(broker, "send", send)

    with django_capture_on_commit_callbacks(execute=True):
        outbox.queue_tasks(_work, [[str(number)] for number in range(9)], tenant=tenant)

    assert sent == [(str(number),) for number in range(outbox.MOST_AT_ONCE)]
    assert OutboxMessage.objects.filter(claimed_until=None).count() == 9 - outbox.MOST_AT_ONCE


def test_running_task_does_not_start_again() -> None:
    _add_tasks(SCAN, 1)
    (message,) = _claimed_tasks()

    claim_id = outbox.start_task(message.public_id)

    assert claim_id is not None
    assert outbox.start_task(message.public_id) is None
    with frozen(timezone.now() + outbox.TASK_RUNS_FOR / 2):
        outbox.renew_task(message.public_id, claim_id)
    with frozen(timezone.now() + outbox.TASK_RUNS_FOR + timedelta(seconds=5)):
        assert outbox.start_task(message.public_id) is None
    outbox.mark_task_ended(message.public_id, None)
    assert outbox.start_task(message.public_id) is None


def test_duplicate_of_a_running_task_does_nothing(
    tenant: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    _add_tasks("tests.outbox", 1)
    message = OutboxMessage.objects.get()
    outbox.start_task(message.public_id)

    outbox.queue_messages([message])

    # The duplicate deletes no row of the task that runs.
    assert OutboxMessage.objects.filter(pk=message.pk).exists()


@pytest.mark.parametrize("is_started", [True, False])
def test_lost_task_is_published_within_a_minute(*, is_started: bool) -> None:
    """The worker was killed, or Redis lost the message."""
    _add_tasks(SCAN, 1)
    (message,) = _claimed_tasks()
    if is_started:
        outbox.start_task(message.public_id)

    assert _claimed_tasks() == []
    with frozen(timezone.now() + timedelta(seconds=60)):
        assert [each.pk for each in _claimed_tasks()] == [message.pk]


def test_task_that_kills_its_workers_is_published_ever_less() -> None:
    _add_tasks(SCAN, 1)
    moment, published = timezone.now(), []
    for minute in range(4 * 60):
        with frozen(moment + timedelta(minutes=minute)):
            for message in _claimed_tasks():
                outbox.start_task(message.public_id)
                published.append(minute)

    assert len(published) < 15
    assert published[-1] - published[-2] >= 60


# --- Without a broker


@pytest.mark.parametrize("kind", ["email", "task"])
def test_message_waits_for_the_broker(
    kind: str, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    attempts: list[str] = []

    def refuse(*_: Any, **__: Any) -> None:
        attempts.append(kind)
        raise OperationalError("refused")

    monkeypatch.setattr(broker, "_state", broker._Broker())
    monkeypatch.setitem(current_app.conf, "task_always_eager", False)
    task = current_app.tasks["tests.outbox" if kind == "task" else outbox.SEND_TASK]
    monkeypatch.setattr(task, "apply_async", refuse)

    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(3):
            if kind == "task":
                outbox.queue_task(_work, "succeeds")
            else:
                queue_email(Email(ADDRESS, "Reset", SECRET))

    # A request does not wait for each of its messages.
    assert attempts == [kind]
    assert outbox.state().waiting == 3
    assert len(outbox.claim_due(now=database_time.now())) == 3
    event_counts.store()
    assert EventCount.objects.get(name="broker-missing").number == 3
