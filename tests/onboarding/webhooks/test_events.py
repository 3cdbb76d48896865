"""Every event of the product, compared with the examples of docs/reference/webhooks.md."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.cutovers import planning
from onboarding.cutovers.cutover_events import add_decision
from onboarding.lifecycle.offboarding import close_tenant
from onboarding.models import Cutover, Drift, Task
from onboarding.monitoring import drifts
from onboarding.plans.services import confirm_task
from tenants.models import Tenant, User, Webhook, WebhookEvent, WebhookMessage
from tenants.webhooks import delivery, services
from tenants.webhooks.formats import body_of
from tests.config.product import free_port
from tests.cutovers import cutover_of
from tests.factories import RunCheck, fill_fields, task_of
from tests.receivers import Receiver, webhook_for

pytestmark = pytest.mark.django_db
PAGE = (Path(settings.BASE_DIR) / "docs/reference/webhooks.md").read_text()
EXAMPLES = {e["type"]: e for e in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.S))}
(RECEIVER,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.fixture
def webhook(tenant: Tenant, administrator: User) -> Webhook:
    made, _ = webhook_for(Receiver(9), tenant, administrator)
    # Paused: the tests read the stored messages.
    services.pause(made, by=administrator)
    return made


def _confirm(tenant: Tenant, by: User, run_check: RunCheck) -> None:
    task = task_of(tenant, "account-creation")
    confirm_task(fill_fields(task), by=by, side="mimecast")


def _settle(tenant: Tenant, by: User, run_check: RunCheck) -> None:
    for minutes in range(3):
        run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS, minutes=minutes * 10)


def _plan(tenant: Tenant, by: User, run_check: RunCheck) -> None:
    planning.plan_cutover(
        tenant.plan,
        Cutover.Direction.INBOUND,
        timezone.now() + timedelta(days=30),
        list(tenant.domains.all()),
        by=by,
        reason="Agreed.",
    )


def _decide(tenant: Tenant, by: User, run_check: RunCheck) -> None:
    made = cutover_of(tenant, "inbound", timezone.now() + timedelta(days=3))
    add_decision(made, is_go=True)


def _drift(tenant: Tenant, by: User, run_check: RunCheck) -> None:
    drifts.open_drift(tenant, Drift.Kind.LEFTOVER_MX, "northwind.test", now=timezone.now())


def _end_drift(tenant: Tenant, by: User, run_check: RunCheck) -> None:
    _drift(tenant, by, run_check)
    drifts.close_drift(Drift.objects.get(), Drift.Resolution.RESOLVED, now=timezone.now())


def _close(tenant: Tenant, by: User, run_check: RunCheck) -> None:
    close_tenant(tenant, by=by, reason="Ended.")


def _test(tenant: Tenant, by: User, run_check: RunCheck) -> None:
    webhook = Webhook.objects.select_related("owner", "tenant").get()
    services.resume(webhook, by=by)
    services.send_test(Webhook.objects.get())


CAUSES: dict[str, Callable[[Tenant, User, RunCheck], None]] = {
    "verdict.settled": _settle,
    "task.changed": _confirm,
    "waiting_side.changed": _confirm,
    "cutover.changed": _plan,
    "cutover.decided": _decide,
    "drift.began": _drift,
    "drift.ended": _end_drift,
    "implementation.closed": _close,
    "webhook.test": _test,
}


def _shape(value: Any) -> Any:
    """The keys and the types, without the values."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    return [_shape(value[0])] if isinstance(value, list) else type(value).__name__


def test_every_event_is_documented() -> None:
    assert set(EXAMPLES) == set(WebhookEvent.values) == set(CAUSES)


def _message(kind: str) -> WebhookMessage:
    rows = WebhookMessage.objects.select_related("webhook", "tenant").filter(event=kind)
    message = rows.order_by("pk").first()
    assert message is not None
    return message


@pytest.mark.parametrize("kind", CAUSES)
def test_event_is_like_its_example(
    kind: str, tenant: Tenant, administrator: User, webhook: Webhook, run_check: RunCheck
) -> None:
    CAUSES[kind](tenant, administrator, run_check)

    body = json.loads(body_of(_message(kind)))
    assert _shape(body) == _shape(EXAMPLES[kind])
    assert [text for text in (administrator.name, administrator.email) if text in str(body)] == []


@pytest.mark.parametrize("kind", CAUSES)
def test_sentence_is_complete(
    kind: str, tenant: Tenant, administrator: User, webhook: Webhook, run_check: RunCheck
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(name="N & <!channel> [a](b)")
    CAUSES[kind](tenant, administrator, run_check)
    message = _message(kind)

    message.webhook.format = "slack"
    slack = json.loads(body_of(message))["text"]
    message.webhook.format = "teams"
    (attachment,) = json.loads(body_of(message))["attachments"]

    card = attachment["content"]
    (run,) = card["body"][0]["inlines"]
    assert run["type"] == "TextRun"
    assert run["text"].count("N & <!channel> [a](b)") == 1
    assert re.fullmatch(r"(?!.*(  |None)).*\.", run["text"])
    assert slack.startswith(html.escape(run["text"], quote=False))
    assert card["actions"][0]["url"].endswith(f"/t/{tenant.public_id}/")


def test_rolled_back_change_stores_no_message(
    tenant: Tenant, administrator: User, webhook: Webhook, run_check: RunCheck
) -> None:
    task = task_of(tenant, "account-creation")
    confirm_task(fill_fields(task), by=administrator, side="mimecast")
    count = WebhookMessage.objects.count()

    confirm_task(task_of(tenant, "account-creation"), by=administrator, side="mimecast")

    assert (count > 0, WebhookMessage.objects.count()) == (True, count)


def test_documented_receiver_verifies(tenant: Tenant, administrator: User) -> None:
    """The example of the documentation runs as its own process and prints each event once."""
    port = free_port()
    webhook, secret = webhook_for(Receiver(port), tenant, administrator)
    process = subprocess.Popen(
        [sys.executable, "-c", RECEIVER],
        env={**os.environ, "PORT": str(port), "WEBHOOK_SECRET": secret},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        until = time.monotonic() + 10
        message = services.send_test(webhook)
        while WebhookMessage.objects.get().status != "delivered" and time.monotonic() < until:
            WebhookMessage.objects.update(due_at=timezone.now(), attempts=0)
            Webhook.objects.update(resting_until=None)
            delivery.deliver(webhook.pk)
        services.redeliver(message)
        delivery.deliver(webhook.pk)
        services.rotate_secret(webhook, by=administrator)
        Webhook.objects.update(previous_secret="")
        services.redeliver(message)
        delivery.deliver(webhook.pk)
    finally:
        process.kill()
        printed = process.communicate()[0].splitlines()

    codes = WebhookMessage.objects.get().deliveries.exclude(status_code=None)
    assert list(codes.order_by("pk").values_list("status_code", flat=True)) == [204, 204, 401]
    assert [line.split()[0] for line in printed] == ["webhook.test"]


def test_closing_ends_the_wait_of_each_task(
    tenant: Tenant, administrator: User, webhook: Webhook
) -> None:
    waiting = Task.objects.filter(plan=tenant.plan, is_group=False).exclude(waiting_on="")
    sides = {task.public_id: str(task.waiting_on) for task in waiting}
    assert sides

    close_tenant(tenant, by=administrator, reason="Ended.")

    events = WebhookMessage.objects.filter(event="waiting_side.changed")
    data = [event.payload for event in events]
    assert {each["task"]["id"]: each["previous"] for each in data} == sides
    assert {(each["waiting_on"], each["waiting_on_label"]) for each in data} == {("", "")}
