"""A check's story: what stood when, and which look settled it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.template.loader import render_to_string
from django.utils.html import strip_tags

from checks.engine.outcomes import Kind, Outcome, Verdict
from checks.models import Check
from checks.queries import timeline
from checks.services import record_run
from checks.story import intervals
from tenants.models import Tenant
from tests.cast import START

pytestmark = pytest.mark.django_db
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def _server(number: int, status: str, *values: str) -> dict[str, object]:
    ttl = 300 if values else None
    where = {"name": f"ns{number}.test", "address": f"192.0.2.{number}"}
    return {**where, "status": status, "values": list(values), "ttl": ttl}


def _check(tenant: Tenant, *verdicts: Verdict, apart: float = 1, unanimous: bool = True) -> Check:
    check = Check.objects.get(tenant=tenant, kind=Kind.MX)
    for number, verdict in enumerate(verdicts):
        evidence = {"servers": [_server(1, "records", verdict.value), _server(2, "timeout")]}
        outcome = Outcome(Kind.MX, "", verdict, (), evidence, unanimous and verdict is not UNKNOWN)
        at = START + timedelta(minutes=apart * number)
        record_run(check.pk, outcome, asked=check.expectation, at=at)
    check.refresh_from_db()
    return check


def test_the_timeline_tells_what_stood_when_and_which_look_settled_it(tenant: Tenant) -> None:
    check = _check(tenant, FAIL, PASS, PASS, UNKNOWN)

    told = intervals(check, timeline(check))

    assert [(each.values, each.heard, each.asked) for each in told] == [
        (("unknown",), 1, 2),
        (("pass",), 1, 2),
        (("fail",), 1, 2),
    ]
    assert [each.settled for each in told] == [False, True, False]
    assert [each.seen.looks for each in told] == [1, 2, 1]
    assert told[0].ttls == (300,)


@pytest.mark.parametrize(
    ("verdicts", "unanimous", "sentence"),
    [
        ((), True, "The first look is under way."),
        ((PASS,), True, "Every name server gave the right answer"),
        ((PASS, FAIL), True, "1 look since"),
        ((PASS, UNKNOWN), True, "The newest look could not tell, which changes nothing."),
        ((FAIL,), True, "A first look said no"),
        ((FAIL, FAIL), True, "Looks that agreed found it wrong"),
        ((FAIL,), False, "The name servers do not agree yet."),
        ((UNKNOWN,), True, "We could not tell yet"),
    ],
)
def test_the_story_follows_what_is_believed(
    tenant: Tenant, verdicts: tuple[Verdict, ...], unanimous: bool, sentence: str
) -> None:
    check = _check(tenant, *verdicts, unanimous=unanimous)
    if check.settled_verdict == FAIL:
        Check.objects.update(is_at_fault=True)
        check.refresh_from_db()

    told = " ".join(strip_tags(render_to_string("checks/story.html", {"check": check})).split())

    assert sentence in told


@pytest.mark.parametrize(
    ("pace", "words"),
    [
        ("close", "a cutover’s window is open"),
        ("turn", "its address was asked a moment ago"),
        ("doubting", "what was proved was contradicted"),
        ("attended", "somebody has these steps open"),
        ("quiet", "nothing has changed for more than a day"),
    ],
)
def test_the_page_says_why_the_next_look_comes_when_it_does(
    tenant: Tenant, pace: str, words: str
) -> None:
    check = Check.objects.get(tenant=tenant, kind=Kind.MX)
    check.pace = pace

    told = strip_tags(render_to_string("checks/next_look.html", {"check": check}))

    assert words in " ".join(told.split())
