"""The history of a check: intervals, and the runs that settled it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.template.loader import render_to_string
from django.utils.html import strip_tags

from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.history import history_entries
from checks.models import Check
from checks.queries import recent_observations
from checks.services import record_run
from onboarding.plans.current_state import current_state
from tenants.models import Tenant
from tests.factories import START

pytestmark = pytest.mark.django_db
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def _server(number: int, status: str, *values: str) -> dict[str, object]:
    ttl = 300 if values else None
    where = {"name": f"ns{number}.test", "address": f"192.0.2.{number}"}
    return {**where, "status": status, "values": list(values), "ttl": ttl}


def _check(tenant: Tenant, *verdicts: Verdict, apart: float = 1, unanimous: bool = True) -> Check:
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX)
    for number, verdict in enumerate(verdicts):
        evidence = {"servers": [_server(1, "records", verdict.value), _server(2, "timeout")]}
        outcome = Outcome(
            CheckKind.MX, "", verdict, (), evidence, unanimous and verdict is not UNKNOWN
        )
        at = START + timedelta(minutes=apart * number)
        record_run(check.pk, outcome, expectation=check.expectation, at=at)
    check.refresh_from_db()
    return check


def test_history_entries(tenant: Tenant) -> None:
    check = _check(tenant, FAIL, PASS, PASS, UNKNOWN)

    shown = history_entries(check, recent_observations(check))

    assert [(each.values, each.answered_servers, each.queried_servers) for each in shown] == [
        (("unknown",), 1, 2),
        (("pass",), 1, 2),
        (("fail",), 1, 2),
    ]
    assert [each.settles_verdict for each in shown] == [False, True, False]
    assert [each.observation.runs for each in shown] == [1, 2, 1]
    assert shown[0].ttls == (300,)


@pytest.mark.parametrize(
    ("verdicts", "unanimous", "sentence"),
    [
        ((), True, "The first check is running."),
        ((PASS,), True, "Every name server gave the correct answer"),
        ((PASS, FAIL), True, "1 run contradicted this"),
        ((PASS, UNKNOWN), True, "The last run got no reliable answer, so Gangway changed nothing."),
        ((FAIL,), True, "One run failed"),
        ((FAIL, FAIL), True, "Incorrect: agreeing runs settled this"),
        ((FAIL,), False, "The name servers do not agree yet."),
        ((UNKNOWN,), True, "No reliable answer yet"),
    ],
)
def test_history_page_by_settled_verdict(
    tenant: Tenant, verdicts: tuple[Verdict, ...], unanimous: bool, sentence: str
) -> None:
    check = _check(tenant, *verdicts, unanimous=unanimous)
    if check.settled_verdict == FAIL:
        Check.objects.update(is_misconfigured=True)
        check.refresh_from_db()

    context = {"check": check, "state": current_state(check, now=check.checked_at or START)}
    shown = " ".join(strip_tags(render_to_string("checks/history.html", context)).split())

    assert sentence in shown


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ("cutover", "A cutover window is open"),
        ("deferred", "Gangway checks each host at most once in 90 seconds"),
        ("reopening", "A run contradicted the verified result"),
        ("idle", "Nothing has changed for more than a day"),
    ],
)
def test_page_shows_reason_of_next_run(tenant: Tenant, interval: str, text: str) -> None:
    check = Check.objects.get(tenant=tenant, kind=CheckKind.MX)
    check.interval = interval

    shown = strip_tags(render_to_string("checks/next_check.html", {"check": check}))

    assert text in " ".join(shown.split())
