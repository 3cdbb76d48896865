"""What is left once mail has moved: duties as arithmetic over facts, and the room showing them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.safe_times import LOCKDOWN_MARGIN, SafeTime
from onboarding.collaboration.evidence_files import store_file
from onboarding.cutovers.follow_up import (
    DomainSwitch,
    FollowUp,
    follow_ups,
    has_started,
    others_in,
)
from onboarding.cutovers.readiness import ReadinessFacts
from onboarding.models import EvidenceFile
from onboarding.plans.proof import ProofSubject
from tenants.models import Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, SignIn, task_of
from tests.markup import texts
from tests.onboarding.cutovers.readiness_facts import NOW, room_facts, subject_of, task_at
from tests.onboarding.cutovers.test_cutover_room import NEW, OLD, seen

LOCKDOWN = "connection-lockdown"


def _follow_up(facts: ReadinessFacts, key: str, *domains: DomainSwitch) -> FollowUp:
    return next(follow_up for follow_up in follow_ups(facts, domains) if follow_up.key == key)


def _conflict_text(
    name: str = "one.test", *, safe_in: timedelta = timedelta(), **kept: Any
) -> DomainSwitch:
    return DomainSwitch(
        name, SafeTime(NOW + safe_in), kept.get("ttl", 300), kept.get("before", 21_600)
    )


LAGGING = DomainSwitch("two.test", SafeTime(None, pending_servers=("ns3.test",)), 300, 21_600)
UNTOLD = DomainSwitch("two.test", None, None)


@pytest.mark.parametrize(
    ("domains", "shape", "words"),
    [
        ((), "waiting", "these domains"),
        (
            (_conflict_text(), LAGGING),
            "waiting",
            "Not every server gives the new answer for two.test",
        ),
        ((_conflict_text(), UNTOLD), "waiting", "two.test"),
        (
            (
                _conflict_text(safe_in=timedelta(hours=5)),
                _conflict_text("two.test", safe_in=timedelta(hours=6)),
            ),
            "waiting",
            "Until Tue 1 Dec 12:00 EST a cache may lead senders of two.test to them.",
        ),
        ((_conflict_text(safe_in=timedelta(hours=3)),), "pass", "since Tue 1 Dec 09:00 EST"),
    ],
)
def test_the_old_hosts_are_kept_until_the_last_cache_is_gone(
    domains: tuple[DomainSwitch, ...], shape: str, words: str
) -> None:
    follow_up = _follow_up(room_facts("inbound"), "old-hosts", *domains)

    assert follow_up.shape.value == shape
    assert words in follow_up.detail


@pytest.mark.parametrize(
    ("domains", "shape", "words"),
    [
        ((_conflict_text(), LAGGING), "locked", "cannot be told"),
        ((_conflict_text(safe_in=LOCKDOWN_MARGIN),), "waiting", "Tue 1 Dec 14:00 EST"),
        ((_conflict_text(),), "todo", "Earliest safe lockdown: Tue 1 Dec 10:00 EST."),
    ],
)
def test_lockdown_waits_for_its_moment_to_the_second(
    domains: tuple[DomainSwitch, ...], shape: str, words: str
) -> None:
    follow_up = _follow_up(room_facts("inbound"), "lockdown", *domains)

    assert follow_up.shape.value == shape
    assert words in follow_up.detail


def test_a_message_that_came_in_tells_nothing_before_the_switch_and_is_asked_for_after() -> None:
    before = _follow_up(room_facts("inbound"), "message-in", LAGGING)
    after = _follow_up(room_facts("inbound"), "message-in", _conflict_text())

    assert (before.shape.value, after.shape.value) == ("locked", "todo")
    assert "every server gives the new answer for two.test" in before.detail


def test_a_message_kept_since_the_window_opened_is_told_as_somebodys_word(
    tenant: Tenant, owner: User, signed_in: SignIn, tmp_path: Path, settings: Any
) -> None:
    settings.FILES_DIR = tmp_path
    now = timezone.now()
    cutover = cutover_of(tenant, "inbound", now - timedelta(minutes=5))
    step = task_of(tenant, "mx-record-cutover")
    for name in ("early.eml", "came-in.eml", "notes.txt"):
        store_file(step, SimpleUploadedFile(name, b"From: a@b.test\r\n\r\nHello"), by=owner)
    EvidenceFile.objects.filter(name="early.eml").update(uploaded_at=now - timedelta(hours=2))
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])

    (told,) = texts(signed_in(owner).get(address).content.decode(), "#follow-up-message-in")

    assert "Owner Person kept came-in.eml with its step" in told
    assert "people’s word" in told


ELSEWHERE = DomainSwitch("big.test", SafeTime(None), 300, 21_600, is_own=False)


def test_the_old_hosts_stay_open_for_domains_that_another_cutover_moves() -> None:
    facts = room_facts("inbound")
    own = _conflict_text(safe_in=-timedelta(days=1))

    kept = _follow_up(facts, "old-hosts", own, ELSEWHERE)
    shut = _follow_up(facts, "lockdown", own, ELSEWHERE)

    assert (kept.shape.value, shut.shape.value) == ("waiting", "locked")
    assert "Not every server gives the new answer for big.test" in kept.detail
    assert "every server gives the new answer for big.test." in shut.detail
    assert "Earliest safe lockdown" not in shut.detail
    assert "big.test" not in _follow_up(facts, "ttl", own, ELSEWHERE).detail
    assert not has_started(
        room_facts("inbound", planned_at=NOW + timedelta(hours=1)),
        [LAGGING, DomainSwitch("big.test", SafeTime(NOW), 300, is_own=False)],
    )


def test_a_room_waits_with_the_lockdown_for_all_of_the_tenants_domains(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    now = timezone.now()
    cutover = cutover_of(tenant, "inbound", now - timedelta(minutes=5), "one.test")
    for days, hosts in ((40, (OLD,)), (35, NEW)):
        seen(tenant, CheckKind.MX, now - timedelta(days=days), 300, *hosts)
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])

    html = signed_in(consultant).get(address).content.decode()

    assert "for two.test." in texts(html, "#follow-up-lockdown")[0]
    assert "Earliest safe lockdown" not in html


def _side(kind: CheckKind, verdict: str, **more: Any) -> ProofSubject:
    return subject_of(kind, verdict, name="mail.one.test:25", **more)


@pytest.mark.parametrize(
    ("outside", "inside", "words"),
    [
        (
            "pass",
            "pass",
            "mail.one.test:25 is closed. From an allowed place mail.one.test:25 answers.",
        ),
        ("fail", "pass", "From outside mail.one.test:25 still answers."),
        (
            "",
            "",
            "From outside it could not be told. Whether it answers Mimecast could not be told",
        ),
        ("pass", "", "is closed. Whether it answers Mimecast could not be told"),
    ],
)
def test_lockdown_is_told_from_both_sides(outside: str, inside: str, words: str) -> None:
    subjects = {
        CheckKind.LOCKDOWN: [_side(CheckKind.LOCKDOWN, outside)],
        CheckKind.SMTP: [_side(CheckKind.SMTP, inside)],
    }

    follow_up = _follow_up(room_facts("inbound", subjects=subjects), "lockdown", _conflict_text())

    assert words in follow_up.detail


def test_what_was_seen_of_a_port_a_day_ago_is_not_told_as_of_now() -> None:
    old = _side(CheckKind.LOCKDOWN, "pass", age=timedelta(hours=26))

    follow_up = _follow_up(
        room_facts("inbound", subjects={CheckKind.LOCKDOWN: [old]}), "lockdown", _conflict_text()
    )

    assert "From outside it could not be told." in follow_up.detail


@pytest.mark.parametrize(
    ("switched", "lockdown", "shape", "words"),
    [
        (_conflict_text(ttl=21_600), "todo", "pass", "what it was before"),
        (_conflict_text(ttl=86_400), "todo", "pass", "what it was before"),
        (_conflict_text(ttl=300), "todo", "waiting", "After the lockdown: one.test to 21600 s."),
        (_conflict_text(ttl=300), "done", "todo", "Raise it: one.test to 21600 s."),
        (_conflict_text(ttl=600, before=600), "done", "pass", "what it was before"),
        (_conflict_text(ttl=300, before=0), "done", "todo", "Raise it: one.test to 3600 s."),
        (UNTOLD, "done", "unknown", "could not be told everywhere"),
    ],
)
def test_the_ttl_goes_back_to_what_it_was_and_not_before_the_lockdown(
    switched: DomainSwitch, lockdown: str, shape: str, words: str
) -> None:
    facts = room_facts("inbound", tasks={LOCKDOWN: task_at(LOCKDOWN, lockdown)})

    follow_up = _follow_up(facts, "ttl", switched)

    assert follow_up.shape.value == shape
    assert words in f"{follow_up.detail} {follow_up.remedy}"


def _policy(*mx: str, mode: str = "enforce") -> ProofSubject:
    seen = subject_of(CheckKind.MTA_STS, "pass")
    assert seen.check is not None
    assert seen.check.latest is not None
    seen.check.latest.evidence = {
        "expected": ["in-1.mimecast.test", "in-2.mimecast.test"],
        "policy": {"mode": mode, "mx": list(mx)},
    }
    return seen


@pytest.mark.parametrize(
    ("subject", "wide"),
    [
        (_policy("in-1.mimecast.test", "in-2.mimecast.test"), ""),
        (_policy("*.mimecast.test"), ""),
        (_policy("*.mimecast.test", "mail.one.test"), "one.test still permits mail.one.test."),
        (_policy("*.test"), "one.test still permits *.test."),
        (_policy("mail.one.test", mode="none"), ""),
        (subject_of(CheckKind.MTA_STS, "not_applicable"), ""),
    ],
)
def test_a_policy_that_still_permits_the_old_hosts_is_told(
    subject: ProofSubject, wide: str
) -> None:
    facts = room_facts("inbound", subjects={CheckKind.MTA_STS: [subject]})

    told = [
        follow_up.detail
        for follow_up in follow_ups(facts, [_conflict_text()])
        if follow_up.key == "mta-sts"
    ]

    assert told == ([wide] if wide else [])


def _spf(record: str, *, unanimous: bool = True) -> ProofSubject:
    seen = subject_of(CheckKind.SPF, "pass", unanimous=unanimous)
    assert seen.check is not None
    assert seen.check.latest is not None
    seen.check.latest.evidence = {"record": record, "include": "us._netblocks.mimecast.test"}
    return seen


@pytest.mark.parametrize(
    ("record", "others"),
    [
        ("v=spf1 include:us._netblocks.mimecast.test -all", []),
        (
            "v=spf1 mx ip4:198.51.100.0/24 +a:old.test include:US._netblocks.mimecast.test ~all",
            ["mx", "ip4:198.51.100.0/24", "+a:old.test"],
        ),
        ("v=spf1 -ip4:192.0.2.1 exp=why.one.test redirect=other.test", ["redirect=other.test"]),
        ("v=spf1 a:old.test/24 +all", ["a:old.test/24", "+all"]),
        ("v=spf1 include:us._netblocks.mimecast.test all", ["all"]),
        ("", None),
    ],
)
def test_whom_spf_lets_send_beside_mimecast(record: str, others: list[str] | None) -> None:
    assert others_in(_spf(record)) == others


def test_what_servers_do_not_agree_on_is_not_told_of_spf() -> None:
    split = _spf("v=spf1 mx -all", unanimous=False)

    follow_up = _follow_up(room_facts("outbound", subjects={CheckKind.SPF: [split]}), "old-senders")

    assert (others_in(split), follow_up.shape.value) == (None, "unknown")


@pytest.mark.parametrize(
    ("settled", "age", "shape"),
    [
        ("pass", timedelta(minutes=1), "pass"),
        ("fail", timedelta(minutes=1), "fail"),
        ("", timedelta(minutes=1), "unknown"),
        ("pass", timedelta(hours=26), "unknown"),
    ],
)
def test_old_senders_are_retired_only_where_spf_is_known_to_let_mimecast_send(
    settled: str, age: timedelta, shape: str
) -> None:
    spf = subject_of(CheckKind.SPF, settled, age=age)
    assert spf.check is not None
    assert spf.check.latest is not None
    spf.check.latest.evidence = {"record": "v=spf1 -all", "include": "us._netblocks.mimecast.test"}

    follow_up = _follow_up(room_facts("outbound", subjects={CheckKind.SPF: [spf]}), "old-senders")

    assert follow_up.shape.value == shape


@pytest.mark.parametrize(
    ("status", "outside", "lags", "shape"),
    [
        ("done", "pass", False, "pass"),
        ("done", "", False, "pass"),
        ("done", "fail", False, "caution"),
        ("accepted_risk", "", False, "caution"),
        ("done", "pass", True, "caution"),
    ],
)
def test_a_lockdown_called_done_is_not_green_while_something_speaks_against_it(
    status: str, outside: str, lags: bool, shape: str
) -> None:
    facts = room_facts(
        "inbound",
        tasks={LOCKDOWN: task_at(LOCKDOWN, status)},
        subjects={CheckKind.LOCKDOWN: [_side(CheckKind.LOCKDOWN, outside)]},
    )

    follow_up = _follow_up(facts, "lockdown", _conflict_text(), *([ELSEWHERE] if lags else []))

    assert follow_up.shape.value == shape


@pytest.mark.parametrize(("before", "words"), [(300, "to 3600 s"), (7200, "to 7200 s")])
def test_a_ttl_that_was_low_when_first_seen_is_raised_to_an_hour(
    tenant: Tenant, consultant: User, signed_in: SignIn, before: int, words: str
) -> None:
    now = timezone.now()
    cutover = cutover_of(tenant, "inbound", now - timedelta(minutes=5))
    seen(tenant, CheckKind.MX, now - timedelta(days=2), before, OLD)
    seen(tenant, CheckKind.MX, now - timedelta(minutes=1), 300, *NEW)
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])

    html = signed_in(consultant).get(address).content.decode()

    assert words in texts(html, "#follow-up-ttl")[0]


@pytest.mark.parametrize(
    ("settled", "shape"), [("pass", "pass"), ("warn", "pass"), ("", "todo"), ("fail", "todo")]
)
def test_a_signed_message_is_asked_for_after_the_outbound_cutover(settled: str, shape: str) -> None:
    facts = room_facts(
        "outbound", subjects={CheckKind.MESSAGE: [subject_of(CheckKind.MESSAGE, settled)]}
    )

    assert _follow_up(facts, "message").shape.value == shape


def test_nothing_is_left_to_do_before_anything_moved() -> None:
    before = room_facts("inbound", planned_at=NOW + timedelta(hours=1))
    after = room_facts("inbound", planned_at=NOW)

    assert not has_started(before, [LAGGING])
    assert has_started(before, [_conflict_text()])
    assert has_started(after, [LAGGING])


def test_the_room_shows_what_is_left_once_its_window_has_opened(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover = cutover_of(tenant, "inbound", timezone.now() + timedelta(days=1))
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])
    client = signed_in(consultant)

    before = client.get(address).content.decode()
    type(cutover).objects.update(planned_at=timezone.now() - timedelta(minutes=5))
    after = client.get(address).content.decode()

    assert texts(before, "#follow-up-title") == []
    assert texts(after, "#follow-up-title") == ["Follow-up"]
    assert "Not every server gives the new answer" in texts(after, "#follow-up-old-hosts")[0]
