"""A failure at one tenant stops no beat task for the other tenants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from django.utils import timezone

from checks import runs
from checks.engine.dns.network import Network
from checks.engine.outcomes import MESSAGE_KINDS, CheckKind, Verdict
from checks.models import Check, Observation
from checks.tasks import queue_due_checks, repeat_reactions
from config.beat_schedule import beat_schedule
from onboarding import progress
from onboarding.lifecycle.closing_pack import build
from onboarding.lifecycle.tasks import build_lost_closing_packs, reconcile
from onboarding.models import ClosingPack, Drift, ManualStatus, Monitoring, Plan, SheetImport
from onboarding.monitoring import drifts
from onboarding.monitoring.tasks import update_drifts
from onboarding.plan_templates import plan_creation
from onboarding.plans import evaluation, services
from onboarding.plans.planned_cutovers import CLOSES_AFTER
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.tasks import complete_waits, expire_accepted_risks
from onboarding.portfolio import risk_updates
from onboarding.portfolio.tasks import update_risks
from onboarding.requirements import imports
from onboarding.requirements.import_stages import STALLED_AFTER
from onboarding.requirements.tasks import resume_imports
from tenants import invitations, notifications
from tenants.models import (
    Invitation,
    Notification,
    OutboxMessage,
    Tenant,
    User,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
)
from tenants.tasks import clean_notifications, queue_invitation, queue_outbox
from tenants.webhooks import delivery
from tenants.webhooks.events import add_event
from tenants.webhooks.services import NewWebhook, create_webhook
from tenants.webhooks.tasks import queue_due_webhooks
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, task_of
from tests.onboarding.requirements.sheet_rows import sheet_of, shown

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_eager_errors")]

LONG_AGO = timedelta(days=30)
ELSEWHERE = {
    "onboarding.open_cutover_windows": "cutovers/test_windows.py",
    "onboarding.notify_drifts": "monitoring/test_notifications.py",
    "onboarding.send_due_reminders": "plans/test_reminders.py",
    "onboarding.sweep_files": "one message for each folder: interop/test_killed_writers.py",
    "tenants.publish_heads": "no work per tenant: tenants/test_published_heads.py",
    "onboarding.delete_abandoned_imports": "one SQL statement for all tenants",
    "tenants.delete_old_webhook_messages": "one SQL statement for all tenants",
    "tenants.read_groups": "one message for each person: interop/test_single_sign_on.py",
    "tenants.delete_old_messages": "two SQL statements for all tenants",
    "onboarding.resume_archive_imports": "no tenant yet: lifecycle/archive/test_imports.py",
    "onboarding.resume_tenant_imports": "no tenant yet: lifecycle/test_tenant_import.py",
}


@dataclass(frozen=True)
class Case:
    """A beat task, the state that makes it work for a tenant, and the service that fails."""

    beat_task: Callable[[], object]
    prepare: Callable[[Tenant, User], object]
    service: tuple[ModuleType, str]
    is_done: Callable[[Tenant], bool]


def _accept_risk(tenant: Tenant, by: User) -> None:
    tenant.plan.tasks.filter(key="spf-update").update(
        manual_status=ManualStatus.ACCEPTED_RISK, accepted_until=timezone.now() - LONG_AGO
    )
    recompute_rollup(tenant.plan)


def _start_wait(tenant: Tenant, by: User) -> None:
    tenant.plan.tasks.filter(key="outbound-cutover").update(verified_at=timezone.now() - LONG_AGO)
    recompute_rollup(tenant.plan)


def _lose_import(tenant: Tenant, by: User) -> None:
    made = shown(sheet_of(tenant), "Address\nann@outside.test\n", by)
    SheetImport.objects.filter(pk=made.pk).update(
        status="reading", attempts=1, progress_at=timezone.now() - STALLED_AFTER - LONG_AGO
    )


def _lose_closing_pack(tenant: Tenant, by: User) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(
        closed_at=timezone.now(), completed_at=timezone.now()
    )
    ClosingPack.objects.create(
        tenant=tenant, requested_by=by, requested_at=timezone.now() - LONG_AGO
    )


def _lose_reaction(tenant: Tenant, by: User) -> None:
    tenant.checks.filter(kind="ownership").update(
        settled_verdict="pass", unevaluated_since=timezone.now() - LONG_AGO
    )


def _fail_check(tenant: Tenant, by: User) -> None:
    """An unchanged failure of a monitored tenant, whose window has ended."""
    at = timezone.now() - LONG_AGO
    cutover_of(tenant, "inbound", timezone.now() - CLOSES_AFTER - timedelta(minutes=5))
    Monitoring.objects.create(tenant=tenant, started_at=at, reason=Monitoring.Reason.CUTOVER)
    check = tenant.checks.get(kind=CheckKind.MX)
    check.latest = Observation.objects.create(
        check_asked=check, verdict=Verdict.FAIL, first_seen_at=at, last_seen_at=at
    )
    check.settled_verdict, check.settled_at = Verdict.FAIL, timezone.now()
    check.first_verified_at = at
    check.save()


def _lose_check(tenant: Tenant, by: User) -> None:
    tenant.checks.filter(kind="mx").delete()


def _leave_invitation(tenant: Tenant, by: User) -> None:
    invitation = invitations.invite(tenant, "new@outside.test", "member", by=by)
    queue_invitation(invitation, "")
    # As after a failure of the broker.
    OutboxMessage.objects.update(claim_id="", claimed_until=None)


def _leave_old_notification(tenant: Tenant, by: User) -> None:
    source = f"drift:{tenant.public_id}"
    notifications.notify(tenant, Notification.Kind.DRIFT, [by], source=source, changes=[])
    Notification.objects.update(created_at=timezone.now() - 10 * LONG_AGO)


def _leave_webhook_message(tenant: Tenant, by: User) -> None:
    entry = NewWebhook("Desk", "https://desk.example/", "json", ["drift.began"])
    create_webhook(tenant, entry, site="", by=by)
    add_event(WebhookEvent.DRIFT_BEGAN, tenant)
    # As after a failure of the broker.
    Webhook.objects.update(queued_until=None)


CASES = {
    "tenants.queue_due_webhooks": Case(
        queue_due_webhooks,
        _leave_webhook_message,
        (delivery, "body_of"),
        lambda tenant: WebhookDelivery.objects.filter(message__tenant=tenant).exists(),
    ),
    "tenants.queue_outbox": Case(
        queue_outbox,
        _leave_invitation,
        (invitations, "new_link_token"),
        lambda tenant: Invitation.objects.get(tenant=tenant).sent_at is not None,
    ),
    "tenants.clean_notifications": Case(
        clean_notifications,
        _leave_old_notification,
        (notifications, "clean"),
        lambda tenant: not Notification.objects.filter(tenant=tenant).exists(),
    ),
    "onboarding.expire_accepted_risks": Case(
        expire_accepted_risks,
        _accept_risk,
        (services, "expire_accepted_risks"),
        lambda tenant: task_of(tenant, "spf-update").manual_status == "",
    ),
    "onboarding.complete_waits": Case(
        complete_waits,
        _start_wait,
        (evaluation, "complete_waits"),
        lambda tenant: task_of(tenant, "outbound-days").verified_at is not None,
    ),
    "onboarding.resume_imports": Case(
        resume_imports,
        _lose_import,
        (imports, "read_import"),
        lambda tenant: SheetImport.objects.get(sheet=sheet_of(tenant)).status == "ready",
    ),
    "onboarding.build_lost_closing_packs": Case(
        build_lost_closing_packs,
        _lose_closing_pack,
        (build, "build_closing_pack"),
        lambda tenant: ClosingPack.objects.get(tenant=tenant).ready_at is not None,
    ),
    "onboarding.reconcile": Case(
        reconcile,
        _lose_check,
        (plan_creation, "apply_profile"),
        lambda tenant: tenant.checks.filter(kind="mx").exists(),
    ),
    "onboarding.update_drifts": Case(
        update_drifts,
        _fail_check,
        (drifts, "update_for_tenant"),
        lambda tenant: Drift.objects.filter(tenant=tenant, kind=Drift.Kind.LEFTOVER_MX).exists(),
    ),
    "onboarding.update_risks": Case(
        update_risks,
        lambda tenant, by: tenant.plan.touch(),
        (risk_updates, "_store"),
        lambda tenant: Plan.objects.get(tenant=tenant).risks_revision is not None,
    ),
    "checks.repeat_reactions": Case(
        repeat_reactions,
        _lose_reaction,
        (progress, "recompute_rollup"),
        lambda tenant: task_of(tenant, "domain-ownership").status == "verified",
    ),
    "checks.queue_due_checks": Case(
        queue_due_checks,
        lambda tenant, by: Check.objects.update(next_due_at=timezone.now() - LONG_AGO),
        (runs, "build_request"),
        # A check of messages waits until a person submits one.
        lambda tenant: (
            not tenant.checks.filter(is_active=True, checked_at=None)
            .exclude(kind__in=MESSAGE_KINDS)
            .exists()
        ),
    ),
}


def _tenant_of(subject: Any) -> Tenant:
    match subject:
        case Tenant():
            return subject
        case SheetImport():
            return subject.sheet.task.plan.tenant
    tenant: Tenant = subject.tenant
    return tenant


def test_every_beat_task_is_tested() -> None:
    scheduled = {entry["task"] for entry in beat_schedule(tick_seconds=20).values()}

    assert scheduled == {*CASES, *ELSEWHERE}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("fails_first", [True, False], ids=["first", "last"])
def test_failing_tenant_stops_no_other(
    name: str,
    fails_first: bool,
    make_tenant: MakeTenant,
    consultant: User,
    settings: Any,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    settings.FILES_DIR = tmp_path
    # No name server answers here, so that each run ends at once with UNKNOWN.
    monkeypatch.setattr(runs, "network_from_settings", lambda: Network(timeouts_seconds=(0.01,)))
    case = CASES[name]
    tenants = [make_tenant(n, ((f"{n.lower()}.test", "primary"),)) for n in ("One", "Two")]
    failing, other = tenants if fails_first else tenants[::-1]
    for tenant in tenants:
        case.prepare(tenant, consultant)
    module, attribute = case.service
    service = getattr(module, attribute)

    def fail_for_one(subject: Any, *args: Any, **options: Any) -> Any:
        if _tenant_of(subject) == failing:
            raise ValueError("a fault in the rows of this tenant")
        return service(subject, *args, **options)

    monkeypatch.setattr(module, attribute, fail_for_one)

    with django_capture_on_commit_callbacks(execute=True):
        case.beat_task()

    assert (case.is_done(other), case.is_done(failing)) == (True, False)
