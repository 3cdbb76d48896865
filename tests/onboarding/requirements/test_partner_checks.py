"""Tests of the partners in the sheet of TLS partners: requests, limits, results and their page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks import partner_tls
from checks.engine.hosts import partner_tls as engine
from checks.engine.hosts.partner_tls import PartnerResult
from checks.engine.outcomes import Finding, Verdict
from checks.models import ProbeSlot
from onboarding.models import RequirementsSheet, Task, TlsPartnerCheck
from onboarding.requirements import partner_checks, tasks
from tenants import outbox
from tenants.models import Tenant, User
from tests.checks.engine.dns.loopback import nameserver, network_of
from tests.checks.engine.hosts.mail_hosts import MailHost, mail_host
from tests.factories import SignIn
from tests.onboarding.requirements.sheet_rows import add, job, sheet_of
from tests.onboarding.requirements.test_pages import url

ZONE = "partner.test MX 10 mx.partner.test\nmx.partner.test A 127.0.0.1\n"


@pytest.fixture
def sheet(tenant: Tenant) -> RequirementsSheet:
    return sheet_of(tenant, "tls-partners")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The messages to the worker."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(
        outbox,
        "queue_task",
        lambda _, *args, **message: messages.append({"args": args, **message}),
    )
    return messages


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailHost]:
    """A name server and a mail server of partner.test on loopback, in a thread of their own."""
    ready, ended = threading.Event(), threading.Event()
    servers: list[Any] = []

    async def serve() -> None:
        async with nameserver(ZONE) as dns, mail_host(ehlo=["mx.partner.test"]) as server:
            servers.extend([dns, server])
            ready.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(5)
    dns, server = servers
    network = replace(network_of(dns), connect_timeout_seconds=2)
    monkeypatch.setattr(partner_tls, "network_from_settings", lambda: network)
    monkeypatch.setattr(engine, "PORT", server.port)
    yield server
    ended.set()
    thread.join()


def domains(sheet: RequirementsSheet) -> list[str]:
    checks = TlsPartnerCheck.objects.filter(sheet=sheet).order_by("pk")
    return list(checks.values_list("domain", flat=True))


def request(sheet: RequirementsSheet, after: timedelta = timedelta()) -> list[str]:
    found = partner_checks.request_tests(sheet, now=timezone.now() + after)
    return [check.domain for check in found]


def test_worker_tests_partner_and_row_shows_it(
    tenant: Tenant, owner: User, signed_in: SignIn, sheet: RequirementsSheet, partner: MailHost
) -> None:
    add(sheet, owner, domain="partner.test")
    (check,) = partner_checks.request_tests(sheet, now=timezone.now())

    tasks.check_tls_partner(check.pk)
    tasks.check_tls_partner(check.pk)

    check.refresh_from_db()
    assert (check.verdict, check.is_in_progress) == ("fail", False)
    assert [found["code"] for found in check.findings] == ["partner.no-starttls"]
    assert check.evidence["hosts"][0]["host"] == "mx.partner.test"
    assert partner.commands == ["EHLO probe.invalid", "QUIT"]
    assert partner.connections == 1
    html = " ".join(signed_in(owner).get(url(sheet)).content.decode().split())
    assert "does not offer STARTTLS" in html
    assert "Encryption fails" in html


def test_occupied_host_is_tested_later(
    owner: User, sheet: RequirementsSheet, partner: MailHost, sent: list[dict[str, Any]]
) -> None:
    add(sheet, owner, domain="partner.test")
    now = timezone.now()
    (check,) = partner_checks.request_tests(sheet, now=now)
    ProbeSlot.objects.create(address="127.0.0.1", port=partner.port, used_at=now)

    tasks.check_tls_partner(check.pk)

    assert partner.connections == 0
    (message,) = sent
    assert message["args"] == (check.pk, 2)
    assert message["not_before"] == now + timedelta(seconds=90)
    tasks.check_tls_partner(check.pk, partner_checks.MAX_ATTEMPTS)
    assert not TlsPartnerCheck.objects.exists()


def test_test_without_time_is_unknown(partner: MailHost, settings: Any, db: None) -> None:
    settings.CHECKS_BUDGET_SECONDS = 0

    result = partner_tls.check_partner("partner.test", now=timezone.now())

    assert isinstance(result, PartnerResult)
    assert (result.verdict, result.findings[0].params["reason"]) == (Verdict.UNKNOWN, "no-budget")
    assert partner.connections == 0


def test_partner_is_tested_once_a_day(owner: User, sheet: RequirementsSheet) -> None:
    add(sheet, owner, domain="one.test")
    assert request(sheet) == ["one.test"]
    assert request(sheet) == []
    add(sheet, owner, domain="two.test")

    assert request(sheet, timedelta(hours=23)) == ["two.test"]
    assert request(sheet, timedelta(hours=25)) == ["one.test"]


def test_abandoned_test_may_be_requested_again(owner: User, sheet: RequirementsSheet) -> None:
    add(sheet, owner, domain="one.test")
    (check,) = partner_checks.request_tests(sheet, now=timezone.now())
    checked = timezone.now() - timedelta(days=2)
    TlsPartnerCheck.objects.update(checked_at=checked, verdict="pass")

    partner_checks.abandon_test(check.pk)

    check.refresh_from_db()
    assert (check.requested_at, check.verdict) == (checked, "pass")
    assert request(sheet) == ["one.test"]


def test_only_receiving_partners_up_to_limit(
    owner: User, sheet: RequirementsSheet, sent: list[dict[str, Any]]
) -> None:
    add(sheet, owner, domain="sender.test", direction="incoming")
    add(sheet, owner, domain="both.test", direction="both")
    add(sheet, owner, domain="both.test", direction="outgoing")
    job(sheet, "\n".join(f"p{n}.test,outgoing" for n in range(60)), owner)

    request(sheet)

    found = domains(sheet)
    assert found[:2] == ["both.test", "p0.test"]
    assert len(found) == partner_checks.MAX_PARTNERS
    assert "sender.test" not in found


def test_partner_outside_the_sheet_loses_its_result(owner: User, sheet: RequirementsSheet) -> None:
    row = add(sheet, owner, domain="one.test")
    request(sheet)
    row.delete()
    add(sheet, owner, domain="two.test")

    request(sheet)

    assert domains(sheet) == ["two.test"]


def test_closed_tenant_and_other_sheets_are_not_tested(
    tenant: Tenant, owner: User, sheet: RequirementsSheet
) -> None:
    add(sheet, owner, domain="one.test")
    assert request(sheet_of(tenant, "forwarding")) == []
    Task.objects.filter(pk=sheet.task_id).update(applies=False)
    assert request(sheet) == []
    Task.objects.filter(pk=sheet.task_id).update(applies=True)
    Tenant.objects.filter(pk=tenant.pk).update(closed_at=timezone.now())

    assert request(sheet) == []


def test_change_of_sheet_and_click_queue_tests(
    owner: User,
    signed_in: SignIn,
    sheet: RequirementsSheet,
    sent: list[dict[str, Any]],
    django_capture_on_commit_callbacks: Any,
) -> None:
    client = signed_in(owner)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(url(sheet, "requirements-row-add"), {"domain": "one.test"})
    check = TlsPartnerCheck.objects.get()
    tenant = sheet.task.plan.tenant
    assert sent == [{"args": (check.pk,), "tenant": tenant, "is_deferred": False}]

    again = client.post(url(sheet, "requirements-partners-test"), follow=True).content.decode()
    TlsPartnerCheck.objects.update(requested_at=timezone.now() - timedelta(days=2))
    with django_capture_on_commit_callbacks(execute=True):
        due = client.post(url(sheet, "requirements-partners-test"), follow=True).content.decode()

    assert "once in 24 hours. None is due now" in again
    assert "Gangway tests 1 partner now" in due
    assert len(sent) == 2


@pytest.mark.parametrize(
    ("mode", "verdict", "shown"),
    [
        ("enforced", Verdict.FAIL, "Encryption fails"),
        ("relaxed", Verdict.FAIL, "Works with a caution"),
        ("enforced", Verdict.UNKNOWN, "Not clear"),
        ("enforced", Verdict.PASS, "Encryption works"),
    ],
)
def test_verdict_depends_on_mode(
    owner: User,
    signed_in: SignIn,
    sheet: RequirementsSheet,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    verdict: Verdict,
    shown: str,
) -> None:
    def result(domain: str, *, now: datetime) -> PartnerResult:
        return PartnerResult(verdict, (Finding("partner.no-answer", {"host": "mx.one.test"}),))

    monkeypatch.setattr(partner_tls, "check_partner", result)
    add(sheet, owner, domain="one.test", mode=mode)
    (check,) = partner_checks.request_tests(sheet, now=timezone.now())
    before = " ".join(signed_in(owner).get(url(sheet)).content.decode().split())

    partner_checks.run_test(check.pk, now=timezone.now())

    page = " ".join(signed_in(owner).get(url(sheet)).content.decode().split())
    assert "Test requested" in before
    assert shown in page
