"""From an export to the task: what it completes, what it prevents, and what it never does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from checks.engine.outcomes import CheckKind, Verdict
from checks.expectations import sync_checks
from checks.models import Check, Observation, RawAnswers
from checks.rejudging import RejudgeResult, rejudge
from checks.runs import run_batch
from onboarding.models import Responsibility, Task, TaskStatus
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.services import confirm_task
from tenants import database_time
from tenants.models import Tenant, User
from tests.checks.engine.sources import exports as shapes
from tests.factories import MakeTenant, task_of
from tests.onboarding.platform_exports.exports import (
    DOMAIN,
    export_for,
    make_due,
    submit_tables,
)

FILTER_TASK = "office-365-connection-filter"
LOCKDOWN = "connection-lockdown"
JOURNALING = "configure-journaling"
OPEN_CONNECTOR = {**shapes.LOCKED, "Enabled": False}
EMPTY_LIST = {**shapes.FILTER, "IPAllowList": []}


Submit = Callable[..., None]


@pytest.fixture
def submit(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, member: User
) -> Submit:
    def run(tenant: Tenant, *, runs: int = 4, **tables: Any) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            submit_tables(tenant, member, **tables)
        for _ in range(runs):
            ids = make_due(tenant)
            with django_capture_on_commit_callbacks(execute=True):
                run_batch(ids)

    return run


def check_of(tenant: Tenant, kind: CheckKind) -> Check:
    return Check.objects.get(tenant=tenant, kind=kind)


def switch_mx(tenant: Tenant, *, ago: timedelta) -> None:
    """The MX check of every domain has settled on the region's hosts."""
    Check.objects.filter(tenant=tenant, kind=CheckKind.MX).update(
        settled_verdict=Verdict.PASS, settled_at=database_time.now() - ago
    )


def test_tenant_without_export_has_no_check(tenant: Tenant) -> None:
    assert not Check.objects.filter(tenant=tenant, kind=CheckKind.CONNECTION_FILTER).exists()
    assert task_of(tenant, FILTER_TASK).confirmation_suffices


def test_export_completes_a_task(tenant: Tenant, submit: Submit) -> None:
    submit(tenant)

    task = task_of(tenant, FILTER_TASK)
    assert task.status == TaskStatus.VERIFIED
    assert check_of(tenant, CheckKind.CONNECTION_FILTER).settled_verdict == Verdict.WARN
    assert task.client_confirmed_at is None


def test_other_source_kinds_complete_nothing(tenant: Tenant, submit: Submit) -> None:
    submit(tenant)

    assert check_of(tenant, CheckKind.OUTBOUND_CONNECTOR).settled_verdict == Verdict.PASS
    for key in ("outbound-cutover", "enhanced-filtering", "dkim-update", "domain-ownership"):
        assert task_of(tenant, key).status == TaskStatus.TODO


def test_lockdown_before_the_switch_completes_nothing(tenant: Tenant, submit: Submit) -> None:
    submit(tenant)

    assert check_of(tenant, CheckKind.INBOUND_CONNECTOR).settled_verdict == Verdict.WARN
    assert task_of(tenant, LOCKDOWN).status == TaskStatus.TODO


def test_lockdown_after_the_switch_completes(tenant: Tenant, submit: Submit) -> None:
    switch_mx(tenant, ago=timedelta(hours=2))
    submit(tenant)

    assert task_of(tenant, LOCKDOWN).status == TaskStatus.VERIFIED


def test_export_from_before_the_switch_completes_nothing(tenant: Tenant, submit: Submit) -> None:
    switch_mx(tenant, ago=-timedelta(hours=1))
    submit(tenant)

    assert task_of(tenant, LOCKDOWN).status == TaskStatus.TODO


def test_one_domain_before_the_switch(make_tenant: MakeTenant, submit: Submit) -> None:
    tenant = make_tenant("Two", domains=((DOMAIN, "primary"), ("second.test", "secondary")))
    switch_mx(tenant, ago=timedelta(hours=2))
    Check.objects.filter(tenant=tenant, domain__name="second.test", kind=CheckKind.MX).update(
        settled_verdict=Verdict.FAIL
    )
    submit(tenant)

    assert task_of(tenant, LOCKDOWN).status == TaskStatus.TODO


def test_hybrid_lockdown_is_only_supported(make_tenant: MakeTenant, submit: Submit) -> None:
    tenant = make_tenant("Hybrid", platform="hybrid")
    switch_mx(tenant, ago=timedelta(hours=2))
    submit(tenant)

    task = task_of(tenant, LOCKDOWN)
    context = PlanContext.of(tenant)
    assert task.status == TaskStatus.TODO
    assert context.evidence(task).alternatives == ()
    supporting = [subject.kind for subject in context.supporting_evidence(task).subjects]
    assert supporting == [CheckKind.INBOUND_CONNECTOR]


def test_failing_export_prevents_a_confirmation_from_completing(
    tenant: Tenant, owner: User, submit: Submit
) -> None:
    submit(tenant, HostedConnectionFilterPolicy=[EMPTY_LIST])
    Task.objects.filter(plan=tenant.plan, key=FILTER_TASK).update(fields=[], depends_on=[])

    status = confirm_task(task_of(tenant, FILTER_TASK), by=owner, side=Responsibility.CLIENT)

    assert check_of(tenant, CheckKind.CONNECTION_FILTER).settled_verdict == Verdict.FAIL
    task = task_of(tenant, FILTER_TASK)
    assert (status, task.waiting_on) == (TaskStatus.AWAITING_VERIFICATION, "client")


def test_confirmation_suffices_without_an_export(tenant: Tenant, owner: User) -> None:
    Task.objects.filter(plan=tenant.plan, key=FILTER_TASK).update(fields=[])

    status = confirm_task(task_of(tenant, FILTER_TASK), by=owner, side=Responsibility.CLIENT)

    assert status == TaskStatus.DONE


@pytest.mark.parametrize("platform", ["google_workspace", "on_premises", "hybrid"])
def test_confirmation_suffices_at_other_platforms(
    make_tenant: MakeTenant, consultant: User, platform: str
) -> None:
    """No export of such a platform can complete the task."""
    tenant = make_tenant("Other", platform=platform, journaling=True)
    Task.objects.filter(plan=tenant.plan, key=JOURNALING).update(
        responsibility="mimecast", fields=[], depends_on=[]
    )

    reevaluate(tenant.plan)
    task = task_of(tenant, JOURNALING)
    status = confirm_task(task, by=consultant, side=Responsibility.MIMECAST)

    assert (task.applies, task.source_kinds) == (True, [CheckKind.CLOUD_JOURNALING])
    assert status == TaskStatus.DONE


def test_later_export_reopens_the_task(tenant: Tenant, submit: Submit) -> None:
    submit(tenant)
    submit(tenant, HostedConnectionFilterPolicy=[EMPTY_LIST])

    assert task_of(tenant, FILTER_TASK).status == TaskStatus.REGRESSED


def test_one_run_of_a_later_export_reopens_nothing(tenant: Tenant, submit: Submit) -> None:
    submit(tenant)
    submit(tenant, runs=1, HostedConnectionFilterPolicy=[EMPTY_LIST])

    assert task_of(tenant, FILTER_TASK).status == TaskStatus.VERIFIED


def test_failing_run_after_the_switch_does_not_date_the_old_pass(
    tenant: Tenant, submit: Submit
) -> None:
    """The settled PASS still rests on the export from before the switch."""
    submit(tenant, at=database_time.now() - timedelta(minutes=10))
    switch_mx(tenant, ago=timedelta(minutes=5))
    submit(tenant, runs=1, InboundConnector=[OPEN_CONNECTOR])

    check = check_of(tenant, CheckKind.INBOUND_CONNECTOR)
    assert check.latest is not None
    assert (check.settled_verdict, check.latest.verdict) == (Verdict.WARN, Verdict.FAIL)
    assert task_of(tenant, LOCKDOWN).status == TaskStatus.TODO


def test_incomplete_export_changes_nothing(tenant: Tenant, submit: Submit) -> None:
    submit(tenant)
    submit(tenant, HostedConnectionFilterPolicy=[{"Name": "Default"}])

    check = check_of(tenant, CheckKind.CONNECTION_FILTER)
    assert check.latest is not None
    assert (check.settled_verdict, check.latest.verdict) == (Verdict.WARN, Verdict.UNKNOWN)
    assert task_of(tenant, FILTER_TASK).status == TaskStatus.VERIFIED


def test_nightly_reconciliation_changes_nothing(tenant: Tenant, submit: Submit) -> None:
    switch_mx(tenant, ago=timedelta(hours=2))
    submit(tenant)

    reevaluate(tenant.plan)

    assert task_of(tenant, FILTER_TASK).status == TaskStatus.VERIFIED
    assert task_of(tenant, LOCKDOWN).status == TaskStatus.VERIFIED


def test_another_platform_has_no_source(make_tenant: MakeTenant, submit: Submit) -> None:
    tenant = make_tenant("Google", platform="google_workspace")

    submit(tenant, runs=0)

    assert not Check.objects.filter(tenant=tenant, kind=CheckKind.CONNECTION_FILTER).exists()


def test_facts_are_stored_once_and_judged_again(tenant: Tenant, submit: Submit) -> None:
    submit(tenant, runs=1)

    kinds = [CheckKind.CONNECTION_FILTER, CheckKind.INBOUND_CONNECTOR]
    rows = Observation.objects.filter(check_asked__kind__in=kinds).select_related(
        "check_asked__tenant", "check_asked__domain", "raw"
    )
    assert RawAnswers.objects.filter(tenant=tenant).count() == 1
    assert [each.result for each in rejudge(rows)] == [RejudgeResult.SAME] * 2


def test_export_has_the_shapes_of_the_region(tenant: Tenant) -> None:
    assert export_for(tenant)["Get-OutboundConnector"][0]["SmartHosts"] == [
        "us-smtp-outbound-1.mimecast.com",
        "us-smtp-outbound-2.mimecast.com",
    ]


def test_enhanced_filtering_does_not_reopen_the_list(tenant: Tenant, submit: Submit) -> None:
    """The lockdown removes the ranges from the allow list, if it turns enhanced filtering on."""
    submit(tenant)
    submit(
        tenant,
        InboundConnector=[{**shapes.LOCKED, "EFSkipIPs": ["192.0.2.0/24"]}],
        HostedConnectionFilterPolicy=[EMPTY_LIST],
    )

    reevaluate(tenant.plan)

    check = check_of(tenant, CheckKind.CONNECTION_FILTER)
    assert check.settled_verdict == Verdict.NOT_APPLICABLE
    assert task_of(tenant, FILTER_TASK).status == TaskStatus.VERIFIED


def test_former_connector_before_the_cutover_is_no_alarm(tenant: Tenant, submit: Submit) -> None:
    submit(tenant, OutboundConnector=[{**shapes.SENDING, "SmartHosts": ["old.test"]}])

    check = check_of(tenant, CheckKind.OUTBOUND_CONNECTOR)
    assert (check.settled_verdict, check.is_misconfigured) == (Verdict.FAIL, False)


def test_changed_region_opens_the_task_again(tenant: Tenant, submit: Submit) -> None:
    """Another list of ranges is another question, for the same export."""
    submit(tenant)
    Tenant.objects.filter(pk=tenant.pk).update(region_overrides={"delivery_ip4": ["192.0.2.0/24"]})
    tenant.refresh_from_db()
    sync_checks(tenant)

    reevaluate(tenant.plan)

    check = check_of(tenant, CheckKind.CONNECTION_FILTER)
    assert (check.settled_verdict, check.facts_at) == ("", None)
    assert task_of(tenant, FILTER_TASK).status == TaskStatus.TODO
