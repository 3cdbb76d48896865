"""Newer rules can judge earlier answers again, and the earlier judgement remains."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from checks.engine import mx
from checks.engine.batch import CheckRequest, inspect, inspect_recorded
from checks.engine.dns.consensus import ServerVerdict
from checks.engine.dns.lookup import LookupFailure
from checks.engine.dns.network import Network
from checks.engine.expected_values import RegionFacts
from checks.engine.hosts.prober import DEFAULT_PORTS, Prober
from checks.engine.outcomes import SOURCE_KINDS, CheckKind, Finding, Outcome, Verdict
from checks.engine.recording import CheckClients, NotRecorded, Recorder, recording_clients
from checks.models import Check, Observation, RawAnswers
from checks.queries import newest_observations, observations_by_kind
from checks.rejudging import RejudgeResult, rejudge
from checks.runs import build_request
from checks.services import record_rejudgement, record_run
from onboarding.models import TaskStatus
from tenants.models import Tenant
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.factories import START, task_of

pytestmark = pytest.mark.django_db
NEW = """
northwind.test MX 10 us-smtp-inbound-1.mimecast.com
northwind.test MX 10 us-smtp-inbound-2.mimecast.com
"""


async def _inspect(means: CheckClients, request: CheckRequest) -> Outcome:
    return await inspect(means, request)


def _seen(check: Check, zone: str, **options: Any) -> Outcome:
    """The outcome of the check in a zone, recorded as a batch records it."""
    lookup, recorder = ZoneLookup(zone, **options), Recorder()
    means = recording_clients(lookup, Prober(Network(), lookup), recorder)
    outcome = asyncio.run(_inspect(means, build_request(check)))
    return Outcome(**{**vars(outcome), "raw": recorder.raw()})


@pytest.fixture
def watched(tenant: Tenant) -> Check:
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX)
    record_run(check.pk, _seen(check, NEW), expectation=check.expectation, at=START)
    check.refresh_from_db()
    return check


def _inspect_differently(*_: Any) -> Any:
    return ServerVerdict(Verdict.FAIL, (Finding("mx.none", {"domain": "northwind.test"}),))


@pytest.mark.parametrize(
    "kind", [k for k in CheckKind if k not in DEFAULT_PORTS and k not in SOURCE_KINDS]
)
def test_every_dns_kind_from_raw_answers(kind: CheckKind) -> None:
    zone = NEW + '\nnorthwind.test TXT "v=spf1 include:us._netblocks.mimecast.com ~all"'
    region = RegionFacts(
        "us", mx=("us-smtp-inbound-1.mimecast.com",), spf_include="us._netblocks.mimecast.com"
    )
    request = CheckRequest(kind, domain="northwind.test", region=region)
    lookup = ZoneLookup(zone, servers={"a.test": zone, "b.test": LookupFailure("timeout")})
    recorder = Recorder()

    seen = asyncio.run(
        _inspect(recording_clients(lookup, Prober(Network(), lookup), recorder), request)
    )
    kept = json.loads(json.dumps(dict(recorder.raw())))
    again = asyncio.run(inspect_recorded(request, kept, at=START))

    assert again == seen


def test_missing_answer_is_reported() -> None:
    with pytest.raises(NotRecorded, match=r"delegation northwind\.test"):
        asyncio.run(
            inspect_recorded(CheckRequest(CheckKind.MX, domain="northwind.test"), {}, at=START)
        )


def test_raw_answers_once_per_tenant(watched: Check) -> None:
    away = _seen(watched, "northwind.test MX 10 mail.northwind.test")
    back = _seen(watched, NEW)
    for minutes, outcome in enumerate([back, away, back, back], start=1):
        at = START + timedelta(minutes=minutes)
        record_run(watched.pk, outcome, expectation=watched.expectation, at=at)

    observations = Observation.objects.filter(check_asked=watched)
    assert [seen.runs for seen in observations] == [2, 1, 2]
    assert RawAnswers.objects.count() == 2
    assert set(RawAnswers.objects.values_list("tenant", flat=True)) == {watched.tenant_id}
    assert len({seen.rules for seen in observations}) == 1


def test_same_rules_same_outcome(watched: Check) -> None:
    (again,) = rejudge(newest_observations())

    assert again.result is RejudgeResult.SAME


def test_rejudges_with_old_expectation(watched: Check) -> None:
    Check.objects.update(expectation={"mx": ["eu-smtp-inbound-1.mimecast.com"]})

    (again,) = rejudge(newest_observations())

    assert again.result is RejudgeResult.SAME


def test_without_apply_nothing_changes(watched: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mx, "judge", _inspect_differently)
    out = StringIO()

    call_command("rejudge", stdout=out)

    assert "pass [] -> fail [mx.none]" in out.getvalue()
    assert "1 observations: 0 the same, 1 different" in out.getvalue()
    assert Observation.objects.get().verdict == Verdict.PASS


def test_applied_judgement_settles_like_a_run(
    watched: Check, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    before = Observation.objects.values().get()
    monkeypatch.setattr(mx, "judge", _inspect_differently)

    with django_capture_on_commit_callbacks(execute=True):
        call_command("rejudge", "--apply", stdout=StringIO())

    judged, seen = Observation.objects.order_by("-pk")
    watched.refresh_from_db()
    assert Observation.objects.values().get(pk=seen.pk) == before
    assert (judged.verdict, judged.trigger, judged.runs) == ("fail", "rules", 0)
    assert judged.raw_id == seen.raw_id
    # One contradiction reopens nothing; a regular run follows at once.
    assert (watched.settled_verdict, watched.contradicting_runs) == ("pass", 1)
    assert watched.next_due_at <= timezone.now()
    assert watched.checked_at == START
    assert list(observations_by_kind([watched], [CheckKind.MX])) == [seen]


def test_applied_pass_completes_task(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX)
    with monkeypatch.context() as patch:
        patch.setattr(mx, "judge", _inspect_differently)
        record_run(check.pk, _seen(check, NEW), expectation=check.expectation, at=START)

    with django_capture_on_commit_callbacks(execute=True):
        call_command("rejudge", "--apply", stdout=StringIO())

    assert task_of(tenant, "mx-record-cutover").status == TaskStatus.VERIFIED


def test_newer_run_wins_over_judgement(watched: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mx, "judge", _inspect_differently)
    (again,) = rejudge(newest_observations())
    at = START + timedelta(minutes=1)
    record_run(watched.pk, _seen(watched, ""), expectation=watched.expectation, at=at)

    assert again.outcome is not None
    assert not record_rejudgement(again.observation, again.outcome, now=timezone.now())
    assert Observation.objects.filter(trigger="rules").count() == 0
