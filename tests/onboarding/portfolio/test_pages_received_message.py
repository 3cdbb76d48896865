"""The page of received messages: its form, its result and its effect on tasks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from checks import runs
from checks.engine.batch import CheckRequest
from checks.engine.mail import delivery_message
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.models import Check, SubmittedMessage
from onboarding.models import Task, TaskStatus
from onboarding.plans.current_state import tenant_states
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.proof import ProofSubject
from onboarding.plans.services import confirm_task
from tenants.models import ActivityLine, Host, Tenant, User
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.factories import MakeTenant, SignIn
from tests.markup import texts
from tests.onboarding.portfolio.test_pages_message import page_of, post, text_of

ZONE = """
us._netblocks.mimecast.com TXT "v=spf1 ip4:207.211.31.0/25 ~all"
outside.test TXT "v=spf1 ip4:198.51.100.7 -all"
"""
DAY = 24 * 60  # minutes; the assumed TTL of the old MX records
KIND = CheckKind.DELIVERY_MESSAGE.value


@pytest.fixture
def tenant(make_tenant: MakeTenant) -> Tenant:
    """Its template lists the check at the delivery test and at the MX cutover."""
    tenant = make_tenant()
    for role, kinds in (("delivery-test", ["mx", KIND]), ("switches-inbound", ["mta_sts", KIND])):
        task = Task.objects.get(plan__tenant=tenant, role=role)
        Task.objects.filter(pk=task.pk).update(evidence_kinds=kinds)
    Host.objects.create(
        tenant=tenant,
        purpose=Host.Purpose.DELIVERY,
        name="northwind-test.mail.protection.outlook.com",
        port=25,
    )
    return tenant


@pytest.fixture
def check(tenant: Tenant) -> Check:
    return Check.objects.get(tenant=tenant, kind=KIND)


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker queries this zone instead of the network."""

    async def run_within(asked: list[CheckRequest], **_: Any) -> list[Outcome]:
        lookup = ZoneLookup(ZONE)
        return [
            await delivery_message.inspect(
                each.domain, each.region, each.system, each.received, lookup
            )
            for each in asked
        ]

    monkeypatch.setattr(runs, "run_within", run_within)


def source(address: str = "207.211.31.120", *, at: datetime | None = None) -> str:
    date = (at or timezone.now()).strftime("%a, %d %b %Y %H:%M:%S +0000")
    return (
        "Return-Path: <bob@outside.test>\n"
        f"Received: from us-smtp-delivery-1.mimecast.com ({address}) by"
        f" DB1.mail.protection.outlook.com with Microsoft SMTP Server; {date}\n"
        "From: bob@outside.test\nTo: ann@northwind.test\nSubject: Secret\n\nSecret body\n"
    )


def submit(client: Any, check: Check, text: str, capture: Any) -> str:
    with capture(execute=True):
        answer = post(client, check, source=text)
    assert answer.status_code == 302, text_of(answer)
    return text_of(client.get(page_of(check)))


def run_again(check: Check, capture: Any) -> None:
    """A FAIL settles with a second run on the same message."""
    Check.objects.filter(pk=check.pk).update(checked_at=timezone.now() - timedelta(minutes=1))
    with capture(execute=True):
        runs.run_batch([check.pk])


def subject_of(tenant: Tenant, role: str) -> ProofSubject:
    task = Task.objects.get(plan__tenant=tenant, role=role)
    subjects = PlanContext.of(tenant).evidence(task, [KIND]).subjects
    return subjects[0]


def switch(tenant: Tenant, at: datetime) -> None:
    Check.objects.filter(tenant=tenant, kind=CheckKind.MX).update(
        settled_verdict=Verdict.PASS, settled_at=at
    )


def test_received_message_names_its_route(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    page = submit(signed_in(owner), check, source(), django_capture_on_commit_callbacks)

    assert "Received from Mimecast" in page
    assert "<code>northwind-test.mail.protection.outlook.com</code> received the message" in page
    assert "Unverified text" in page
    assert "Secret" not in page


def test_page_explains_the_client_platform(check: Check, owner: User, signed_in: SignIn) -> None:
    page = text_of(signed_in(owner).get(page_of(check)))

    assert "Outlook on the web:" in page
    assert "Gmail:" not in page


def test_received_message_completes_no_task(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    """Not even a task whose template lists the check as its proof."""
    Task.objects.filter(role="delivery-test").update(check_kinds=[KIND], evidence_kinds=[])

    submit(signed_in(owner), check, source(), django_capture_on_commit_callbacks)
    reevaluate(check.tenant.plan)

    task = Task.objects.get(plan__tenant=check.tenant, role="delivery-test")
    assert (task.verified_at, task.confirmation_suffices) == (None, True)


def test_missing_message_blocks_no_task(check: Check) -> None:
    """A template may list the check as a proof next to another one."""
    Check.objects.filter(tenant=check.tenant, kind=CheckKind.MX).update(settled_verdict="pass")
    task = Task.objects.get(plan__tenant=check.tenant, role="switches-inbound")

    evidence = PlanContext.of(check.tenant).evidence(task, ["mx", KIND])

    assert (evidence.is_verified, evidence.is_open) == (True, False)
    assert evidence.verified_domain_ids == {check.domain_id}


def test_message_is_deleted_after_the_check(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    submit(signed_in(owner), check, source(), django_capture_on_commit_callbacks)

    message = SubmittedMessage.objects.get(check_asked=check)
    assert message.observation is not None
    assert bytes(message.content) == b""
    assert "Secret" not in str(message.observation.evidence)


@pytest.mark.parametrize(
    ("minutes", "is_early"),
    [
        pytest.param(None, True, id="before any switch"),
        pytest.param(5, True, id="switch after the message"),
        pytest.param(-5, False, id="switch before the message"),
    ],
)
def test_cutover_needs_a_message_after_the_switch(
    check: Check,
    owner: User,
    signed_in: SignIn,
    minutes: int | None,
    is_early: bool,
    django_capture_on_commit_callbacks: Any,
) -> None:
    submit(signed_in(owner), check, source(), django_capture_on_commit_callbacks)
    if minutes is not None:
        switch(check.tenant, timezone.now() + timedelta(minutes=minutes))

    cutover = subject_of(check.tenant, "switches-inbound")
    test = subject_of(check.tenant, "delivery-test")

    assert (cutover.is_early, cutover.settled is None) == (is_early, is_early)
    assert (test.is_early, test.settled) == (False, Verdict.PASS)


def test_plan_names_the_early_message(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    client = signed_in(owner)
    submit(client, check, source(), django_capture_on_commit_callbacks)
    switch(check.tenant, timezone.now() + timedelta(minutes=5))

    phase = Task.objects.get(plan__tenant=check.tenant, role="switches-inbound").phase.key
    plan = reverse("onboarding:plan-show", args=[check.tenant.public_id])
    page = text_of(client.get(f"{plan}?phase={phase}"))

    assert "The message arrived before the MX switch, so it shows the delivery route only." in page


@pytest.mark.parametrize(
    ("address", "minutes", "contradicts"),
    [
        pytest.param("198.51.100.7", None, False, id="direct before the switch"),
        pytest.param("198.51.100.7", -5, False, id="direct while caches know the old hosts"),
        pytest.param("198.51.100.7", -DAY - 5, True, id="direct after the last cache"),
        pytest.param("195.130.217.5", None, True, id="other region"),
        pytest.param("192.0.2.9", -DAY - 5, False, id="unknown address"),
    ],
)
def test_only_a_certain_fault_contradicts_the_cutover(
    check: Check,
    owner: User,
    signed_in: SignIn,
    address: str,
    minutes: int | None,
    contradicts: bool,
    django_capture_on_commit_callbacks: Any,
) -> None:
    if minutes is not None:
        switch(check.tenant, timezone.now() + timedelta(minutes=minutes))

    submit(signed_in(owner), check, source(address), django_capture_on_commit_callbacks)

    assert subject_of(check.tenant, "switches-inbound").contradicts is contradicts


def test_recorded_ttl_shortens_the_grace_time(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    check.tenant.domains.update(original_mx_ttl_seconds=300)
    switch(check.tenant, timezone.now() - timedelta(minutes=6))

    submit(signed_in(owner), check, source("198.51.100.7"), django_capture_on_commit_callbacks)

    assert subject_of(check.tenant, "switches-inbound").contradicts is True


def test_plan_shows_the_contradiction(
    check: Check,
    owner: User,
    consultant: User,
    signed_in: SignIn,
    django_capture_on_commit_callbacks: Any,
) -> None:
    task = Task.objects.get(plan__tenant=check.tenant, role="delivery-test")
    for person, side in ((owner, "client"), (consultant, "mimecast")):
        confirm_task(task, by=person, side=side)
    client = signed_in(owner)

    submit(client, check, source("195.130.217.5"), django_capture_on_commit_callbacks)

    task.refresh_from_db()
    plan = reverse("onboarding:plan-show", args=[check.tenant.public_id])
    page = text_of(client.get(f"{plan}?phase={task.phase.key}"))
    assert task.status == TaskStatus.DONE
    assert "A received message contradicts it" in page


def test_failed_message_raises_no_alarm(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    submit(signed_in(owner), check, source("195.130.217.5"), django_capture_on_commit_callbacks)
    run_again(check, django_capture_on_commit_callbacks)

    check.refresh_from_db()
    assert (check.settled_verdict, check.is_misconfigured) == ("fail", False)


def test_older_message_for_another_route_keeps_the_newest_time(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    client, now = signed_in(owner), timezone.now().replace(microsecond=0)
    submit(client, check, source(at=now), django_capture_on_commit_callbacks)
    Check.objects.filter(pk=check.pk).update(checked_at=now - timedelta(minutes=1))

    earlier = now - timedelta(hours=1)
    submit(client, check, source(at=earlier), django_capture_on_commit_callbacks)

    check.refresh_from_db()
    assert check.received_at == now


def test_received_message_is_logged(check: Check, owner: User, signed_in: SignIn) -> None:
    client = signed_in(owner)
    post(client, check, source=source())

    line = ActivityLine.objects.get(tenant=check.tenant, action="received-message-submitted")
    assert (line.actor, line.params["domain"]) == (owner, "northwind.test")
    activity = client.get(reverse("onboarding:activity", args=[check.tenant.public_id]))
    assert "submitted a message received at <code>northwind.test</code>" in text_of(activity)


def test_client_home_offers_the_page(check: Check, owner: User, signed_in: SignIn) -> None:
    Task.objects.filter(plan__tenant=check.tenant).exclude(role="delivery-test").update(
        mimecast_confirmed_at=timezone.now(), client_confirmed_at=timezone.now()
    )
    reevaluate(check.tenant.plan)

    home = signed_in(owner).get(reverse("onboarding:my-tasks", args=[check.tenant.public_id]))

    assert f'href="{page_of(check)}"' in text_of(home)


def test_no_page_calls_the_message_verified(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    client = signed_in(owner)
    submitted = submit(client, check, source(), django_capture_on_commit_callbacks)
    domains = reverse("onboarding:domains", args=[check.tenant.public_id])

    drawer = texts(client.get(f"{domains}?check={check.public_id}").content.decode(), "#evidence")
    (result,) = texts(submitted, "#message-checked")

    assert "Shown by a submitted message, not verified" in drawer[0]
    assert "Shown by a submitted message, not verified" in result
    assert [text for text in (*drawer, result) if "Verified" in text or "server gave" in text] == []


def test_counts_leave_the_message_out(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    submit(signed_in(owner), check, source(), django_capture_on_commit_callbacks)

    tenants = list(Tenant.objects.filter(pk=check.tenant_id).select_related("plan"))
    assert tenant_states(tenants, now=timezone.now())[check.tenant_id].verified == 0


def test_page_lists_the_routes(
    check: Check, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    Host.objects.create(
        tenant=check.tenant, purpose=Host.Purpose.DELIVERY, name="mail.northwind.test", port=25
    )

    page = signed_in(owner)
    submit(page, check, source(), django_capture_on_commit_callbacks)

    (card,) = texts(page.get(page_of(check)).content.decode(), "#routes")
    tested, untested = card.split("mail.northwind.test")
    assert "northwind-test.mail.protection.outlook.com Received a message from Mimecast" in tested
    assert untested.strip() == "Not tested yet"


@pytest.mark.parametrize("count", [1, 3])
def test_received_page_query_count_is_constant(
    check: Check,
    owner: User,
    signed_in: SignIn,
    count: int,
    django_capture_on_commit_callbacks: Any,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = signed_in(owner)
    for _ in range(count):
        submit(client, check, source(), django_capture_on_commit_callbacks)

    # One more than the page of a test message: the routes.
    with django_assert_num_queries(11):
        client.get(page_of(check))
