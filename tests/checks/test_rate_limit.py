"""No probe without consent, and at most two connections a minute to a host, for all tenants."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks import claims, rate_limit, runs
from checks.engine.batch import CheckRequest
from checks.engine.dns.network import Endpoint
from checks.engine.hosts.prober import NotProbed
from checks.engine.outcomes import CheckKind, Finding, Outcome, Verdict
from checks.expectations import sync_checks
from checks.models import Check, HostAnswer, ProbeSlot
from checks.scheduling import Interval
from onboarding.lifecycle.tenants import set_consent
from tenants.models import Host, Tenant
from tests.factories import START, HostRow, MakeTenant

pytestmark = pytest.mark.django_db
MAIL = HostRow("delivery", "mail.elsewhere.example", 25)
ADDRESSES = {"mail.elsewhere.example": ["192.0.2.25"], "other.example": ["192.0.2.25"]}
NOW = START


class Outside:
    """The network outside the batch: the connections that were made, and their addresses."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []
        self.verdict = Verdict.PASS

    async def run_within(
        self, asked: list[CheckRequest], *, pinned: dict[str, tuple[str, ...]], **_: Any
    ) -> list[Outcome]:
        self.asked += [(each.kind, each.host, pinned.get(each.host, ())) for each in asked]
        return [Outcome(request.kind, request.subject, self.verdict) for request in asked]

    async def locate_hosts(
        self, hosts: list[Endpoint], **_: Any
    ) -> dict[Endpoint, list[str] | NotProbed]:
        return {endpoint: ADDRESSES[endpoint[0]] for endpoint in hosts}


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    there = Outside()
    monkeypatch.setattr(runs, "run_within", there.run_within)
    monkeypatch.setattr(runs, "locate_hosts", there.locate_hosts)
    return there


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the time of the batch to a number of seconds after NOW."""

    def to(seconds: float) -> None:
        monkeypatch.setattr(timezone, "now", lambda: NOW + timedelta(seconds=seconds))

    to(0)
    return to


def _tenant(make_tenant: MakeTenant, name: str, host: HostRow = MAIL) -> Check:
    """The SMTP check of a tenant whose client consented."""
    tenant = make_tenant(
        name, domains=((f"{name.lower()}.test", "primary"),), hosts=(host,), platform="on_premises"
    )
    set_consent(tenant, {each.pk for each in tenant.hosts.all()}, by=None)
    return Check.objects.get(tenant=tenant, kind=CheckKind.SMTP)


def _checked_at(check: Check) -> Any:
    return Check.objects.get(pk=check.pk).checked_at


def test_no_probe_without_consent(make_tenant: MakeTenant, outside: Outside) -> None:
    check = _tenant(make_tenant, "Northwind")
    set_consent(check.tenant, (), by=None)

    runs.run_batch([check.pk])

    check.refresh_from_db()
    assert check.latest is not None
    assert outside.asked == []
    assert (check.latest.verdict, check.settled_verdict) == (Verdict.UNKNOWN, "")
    assert [found["code"] for found in check.latest.findings] == ["host.no-consent"]
    assert check.next_due_at > timezone.now()


@pytest.mark.parametrize(
    ("host", "settled", "may"),
    [
        ("mail.northwind.test", Verdict.PASS, True),
        ("northwind.test", Verdict.PASS, True),
        ("mail.northwind.test", Verdict.FAIL, False),
        ("mail.northwind.test", "", False),
        ("mailnorthwind.test", Verdict.PASS, False),
        ("mail.northwind.test.example", Verdict.PASS, False),
    ],
)
def test_proven_domain_implies_consent(
    make_tenant: MakeTenant, host: str, settled: str, may: bool
) -> None:
    tenant = make_tenant(hosts=(HostRow("delivery", host, 25),), platform="on_premises")
    Check.objects.filter(kind=CheckKind.OWNERSHIP).update(settled_verdict=settled)
    check = Check.objects.get(tenant=tenant, kind=CheckKind.SMTP)

    assert (rate_limit.missing_consent([check]) == set()) == may


def test_other_tenants_proof_is_no_consent(make_tenant: MakeTenant) -> None:
    make_tenant("Elsewhere", domains=(("elsewhere.example", "primary"),))
    Check.objects.filter(kind=CheckKind.OWNERSHIP).update(settled_verdict=Verdict.PASS)
    tenant = make_tenant(hosts=(MAIL,), platform="on_premises")
    check = Check.objects.get(tenant=tenant, kind=CheckKind.SMTP)

    assert rate_limit.missing_consent([check]) == {check.pk}


@pytest.mark.slow
def test_rate_limit_spans_tenants(
    make_tenant: MakeTenant, outside: Outside, clock: Callable[[float], None]
) -> None:
    first, second = _tenant(make_tenant, "One"), _tenant(make_tenant, "Two")
    for second_of_day in range(0, 600, 5):
        clock(second_of_day)
        claims.request_run([first, second], now=timezone.now())
        runs.run_batch([first.pk, second.pk])

    # In ten minutes, each run with two connections at most.
    assert len(outside.asked) // 2 <= 600 / rate_limit.MIN_PROBE_INTERVAL.total_seconds() + 1
    assert ProbeSlot.objects.get().address == "192.0.2.25"


def test_rate_limit_is_by_address(
    make_tenant: MakeTenant, outside: Outside, clock: Callable[[float], None]
) -> None:
    first = _tenant(make_tenant, "One")
    second = _tenant(make_tenant, "Two", HostRow("delivery", "other.example", 25))
    runs.run_batch([first.pk])
    clock(10)

    runs.run_batch([second.pk])

    second.refresh_from_db()
    assert outside.asked == [("smtp", "mail.elsewhere.example", ("192.0.2.25",))]
    assert (second.interval, second.checked_at, second.claim_id) == (Interval.DEFERRED, None, "")
    wait = second.next_due_at - NOW
    assert (
        rate_limit.MIN_PROBE_INTERVAL
        <= wait
        <= rate_limit.MIN_PROBE_INTERVAL + timedelta(seconds=15)
    )


def test_answer_is_shared_for_ten_minutes(
    make_tenant: MakeTenant, outside: Outside, clock: Callable[[float], None]
) -> None:
    first, second = _tenant(make_tenant, "One"), _tenant(make_tenant, "Two")
    runs.run_batch([first.pk])

    clock(599)
    runs.run_batch([second.pk])
    assert (len(outside.asked), _checked_at(second)) == (1, NOW)

    # The same shared answer again is not recorded, so it never counts as a second run.
    clock(599.5)
    runs.run_batch([second.pk])
    assert len(outside.asked) == 2


def test_shared_answer_expires(
    make_tenant: MakeTenant, outside: Outside, clock: Callable[[float], None]
) -> None:
    first, second = _tenant(make_tenant, "One"), _tenant(make_tenant, "Two")
    runs.run_batch([first.pk])

    clock(660)
    runs.run_batch([second.pk])

    assert len(outside.asked) == 2
    assert HostAnswer.objects.get().answered_at == NOW + timedelta(seconds=660)


def test_two_tenants_in_batch_share_one_run(
    make_tenant: MakeTenant, outside: Outside, clock: Callable[[float], None]
) -> None:
    first, second = _tenant(make_tenant, "One"), _tenant(make_tenant, "Two")

    recorded = runs.run_batch([first.pk, second.pk])

    # The engine sends equal questions of one batch once.
    assert recorded == 2
    assert ProbeSlot.objects.count() == 1


def test_requested_run_ignores_shared_answer(
    make_tenant: MakeTenant, outside: Outside, clock: Callable[[float], None]
) -> None:
    check = _tenant(make_tenant, "One")
    other = _tenant(make_tenant, "Two")
    runs.run_batch([other.pk])
    clock(100)
    outside.verdict = Verdict.WARN

    claims.request_run([check], now=timezone.now())
    runs.run_batch([check.pk])

    assert _checked_at(check) == NOW + timedelta(seconds=100)


def test_recipient_answer_is_not_shared(
    make_tenant: MakeTenant, outside: Outside, clock: Callable[[float], None]
) -> None:
    asking = _tenant(
        make_tenant, "One", HostRow("delivery", MAIL.name, 25, recipient="jo@one.test")
    )
    other = _tenant(make_tenant, "Two")
    assert runs.build_request(asking).recipient == "jo@one.test"
    assert runs.build_request(other).recipient == ""

    # One batch, one host: the second check waits for the next slot.
    assert runs.run_batch([asking.pk, other.pk]) == 1

    assert not HostAnswer.objects.exists()
    assert (_checked_at(asking), _checked_at(other)) == (NOW, None)
    waits = Check.objects.get(pk=other.pk).next_due_at - NOW
    assert rate_limit.MIN_PROBE_INTERVAL <= waits < rate_limit.MIN_PROBE_INTERVAL * 1.2


def test_new_recipient_resets_verdict(make_tenant: MakeTenant) -> None:
    check = _tenant(make_tenant, "One")
    Check.objects.filter(pk=check.pk).update(settled_verdict=Verdict.PASS)
    Host.objects.filter(tenant=check.tenant).update(recipient="jo@one.test")

    sync_checks(check.tenant)

    check.refresh_from_db()
    assert (check.expectation, check.settled_verdict) == ({"recipient": "jo@one.test"}, "")


def test_unresolvable_host_is_not_probed(
    make_tenant: MakeTenant, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = _tenant(make_tenant, "One")
    refused = NotProbed(Verdict.FAIL, Finding("host.no-address", {"host": "x"}))

    async def nowhere(hosts: list[Endpoint], **_: Any) -> dict[Endpoint, NotProbed]:
        return dict.fromkeys(hosts, refused)

    monkeypatch.setattr(runs, "locate_hosts", nowhere)
    runs.run_batch([check.pk])

    check.refresh_from_db()
    assert check.latest is not None
    assert (outside.asked, check.latest.unanimous) == ([], False)


def test_consent_records_person_and_activity(tenant: Tenant, consultant: Any) -> None:
    host = Host.objects.create(tenant=tenant, purpose="delivery", name="a.example", port=25)
    sync_checks(tenant)

    ready = set_consent(tenant, {host.pk}, by=consultant)
    again = set_consent(tenant, {host.pk}, by=consultant)

    host.refresh_from_db()
    assert [check.kind for check in ready] == [CheckKind.SMTP]
    assert (again, host.consented_by) == ([], consultant)
    assert [line.action for line in tenant.activity.all()][:1] == ["consent-given"]

    set_consent(tenant, (), by=consultant)
    host.refresh_from_db()
    assert (host.consented_at, host.consented_by) == (None, None)
    assert [line.action for line in tenant.activity.all()][:2] == [
        "consent-withdrawn",
        "consent-given",
    ]
