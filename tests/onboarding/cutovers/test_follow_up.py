"""The follow-up after a switch: rows as pure functions of facts, and the room that shows them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
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
from tests.onboarding.cutovers.readiness_facts import NOW, facts_for, subject_of, task_at
from tests.onboarding.cutovers.test_cutover_room import NEW, OLD, observe

LOCKDOWN = "connection-lockdown"


def _follow_up(facts: ReadinessFacts, key: str, *domains: DomainSwitch) -> FollowUp:
    return next(follow_up for follow_up in follow_ups(facts, domains) if follow_up.key == key)


def _switched(
    name: str = "one.test",
    *,
    safe_in: timedelta = timedelta(),
    ttl: int = 300,
    before: int = 21_600,
) -> DomainSwitch:
    return DomainSwitch(name, SafeTime(NOW + safe_in), ttl, before)


LAGGING = DomainSwitch("two.test", SafeTime(None, pending_servers=("ns3.test",)), 300, 21_600)
UNKNOWN = DomainSwitch("two.test", None, None)


@pytest.mark.parametrize(
    ("domains", "shape", "text"),
    [
        ((), "waiting", "these domains"),
        (
            (_switched(), LAGGING),
            "waiting",
            "The new answer for two.test is not known at every server yet.",
        ),
        ((_switched(), UNKNOWN), "waiting", "two.test"),
        (
            (
                _switched(safe_in=timedelta(hours=5)),
                _switched("two.test", safe_in=timedelta(hours=6)),
            ),
            "waiting",
            "Until Tue 1 Dec 12:00 EST a cache may direct mail for two.test to them.",
        ),
        # The caches have expired, and some resolvers exceed the TTL.
        ((_switched(safe_in=timedelta(hours=3)),), "waiting", "before Tue 1 Dec 13:00 EST"),
        ((_switched(safe_in=-timedelta(hours=1)),), "pass", "expired by Tue 1 Dec 05:00 EST"),
    ],
)
def test_old_hosts_until_their_safe_time(
    domains: tuple[DomainSwitch, ...], shape: str, text: str
) -> None:
    follow_up = _follow_up(facts_for("inbound"), "old-hosts", *domains)

    assert follow_up.shape.value == shape
    assert text in f"{follow_up.detail} {follow_up.remedy}"


@pytest.mark.parametrize(
    ("domains", "shape", "text"),
    [
        ((_switched(), LAGGING), "locked", "The safe time is known once every server publishes"),
        ((_switched(safe_in=LOCKDOWN_MARGIN),), "waiting", "Tue 1 Dec 14:00 EST"),
        ((_switched(),), "todo", "Earliest safe lockdown: Tue 1 Dec 10:00 EST."),
    ],
)
def test_lockdown_waits_for_safe_time(
    domains: tuple[DomainSwitch, ...], shape: str, text: str
) -> None:
    follow_up = _follow_up(facts_for("inbound"), "lockdown", *domains)

    assert follow_up.shape.value == shape
    assert text in follow_up.detail


def test_inbound_message_is_due_after_switch() -> None:
    before = _follow_up(facts_for("inbound"), "message-in", LAGGING)
    after = _follow_up(facts_for("inbound"), "message-in", _switched())

    assert (before.shape.value, after.shape.value) == ("locked", "todo")
    assert "every server publishes the new answer for two.test" in before.detail


def test_attached_message_names_its_uploader(
    tenant: Tenant, owner: User, signed_in: SignIn, tmp_path: Path, settings: Any
) -> None:
    settings.FILES_DIR = tmp_path
    now = timezone.now()
    cutover = cutover_of(tenant, "inbound", now - timedelta(minutes=5))
    task = task_of(tenant, "mx-record-cutover")
    for name in ("early.eml", "came-in.eml", "notes.txt"):
        store_file(task, SimpleUploadedFile(name, b"From: a@b.test\r\n\r\nHello"), by=owner)
    EvidenceFile.objects.filter(name="early.eml").update(uploaded_at=now - timedelta(hours=2))
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])

    (row,) = texts(signed_in(owner).get(address).content.decode(), "#follow-up-message-in")

    assert "Owner Person attached came-in.eml to its task" in row
    assert "Gangway cannot verify its route." in row


ELSEWHERE = DomainSwitch("big.test", SafeTime(None), 300, 21_600, is_own=False)


def test_old_hosts_wait_for_other_cutovers() -> None:
    facts = facts_for("inbound")
    own = _switched(safe_in=-timedelta(days=1))

    old_hosts = _follow_up(facts, "old-hosts", own, ELSEWHERE)
    lockdown = _follow_up(facts, "lockdown", own, ELSEWHERE)

    assert (old_hosts.shape.value, lockdown.shape.value) == ("waiting", "locked")
    assert "The new answer for big.test is not known at every server yet." in old_hosts.detail
    assert "every server publishes the new answer for big.test." in lockdown.detail
    assert "Earliest safe lockdown" not in lockdown.detail
    assert "big.test" not in _follow_up(facts, "ttl", own, ELSEWHERE).detail
    assert not has_started(
        facts_for("inbound", planned_at=NOW + timedelta(hours=1)),
        [LAGGING, DomainSwitch("big.test", SafeTime(NOW), 300, is_own=False)],
    )


def test_lockdown_waits_for_all_domains(
    make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    tenant = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    now = timezone.now()
    cutover = cutover_of(tenant, "inbound", now - timedelta(minutes=5), "one.test")
    for days, hosts in ((40, (OLD,)), (35, NEW)):
        observe(tenant, CheckKind.MX, now - timedelta(days=days), 300, *hosts)
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])

    html = signed_in(consultant).get(address).content.decode()

    assert "for two.test." in texts(html, "#follow-up-lockdown")[0]
    assert "Earliest safe lockdown" not in html


def _side(kind: CheckKind, verdict: str, **more: Any) -> ProofSubject:
    return subject_of(kind, verdict, name="mail.one.test:25", **more)


@pytest.mark.parametrize(
    ("outside", "inside", "text"),
    [
        (
            "pass",
            "pass",
            "mail.one.test:25 is closed. From an allowed address mail.one.test:25 answers.",
        ),
        ("fail", "pass", "From outside mail.one.test:25 still answers."),
        (
            "",
            "",
            "The state from outside is not known."
            " Gangway cannot check whether it answers Mimecast.",
        ),
        ("pass", "", "is closed. Gangway cannot check whether it answers Mimecast."),
    ],
)
def test_lockdown_shows_both_sides(outside: str, inside: str, text: str) -> None:
    subjects = {
        CheckKind.LOCKDOWN: [_side(CheckKind.LOCKDOWN, outside)],
        CheckKind.SMTP: [_side(CheckKind.SMTP, inside)],
    }

    follow_up = _follow_up(facts_for("inbound", subjects=subjects), "lockdown", _switched())

    assert text in follow_up.detail


def test_stale_port_check_is_unknown() -> None:
    old = _side(CheckKind.LOCKDOWN, "pass", age=timedelta(hours=26))

    follow_up = _follow_up(
        facts_for("inbound", subjects={CheckKind.LOCKDOWN: [old]}), "lockdown", _switched()
    )

    assert "The state from outside is not known." in follow_up.detail


@pytest.mark.parametrize(
    ("switched", "lockdown", "shape", "text"),
    [
        (_switched(ttl=21_600), "todo", "pass", "has its original value or a longer one"),
        (_switched(ttl=86_400), "todo", "pass", "has its original value or a longer one"),
        (_switched(ttl=300), "todo", "waiting", "After the lockdown: one.test to 21600 s."),
        (_switched(ttl=300), "done", "todo", "Raise it: one.test to 21600 s."),
        (_switched(ttl=600, before=600), "done", "pass", "has its original value or a longer one"),
        (_switched(ttl=300, before=0), "done", "todo", "Raise it: one.test to 3600 s."),
        (UNKNOWN, "done", "unknown", "is not known at every server"),
    ],
)
def test_ttl_is_raised_after_lockdown(
    switched: DomainSwitch, lockdown: str, shape: str, text: str
) -> None:
    facts = facts_for("inbound", tasks={LOCKDOWN: task_at(LOCKDOWN, lockdown)})

    follow_up = _follow_up(facts, "ttl", switched)

    assert follow_up.shape.value == shape
    assert text in f"{follow_up.detail} {follow_up.remedy}"


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
def test_policy_with_old_hosts_is_named(subject: ProofSubject, wide: str) -> None:
    facts = facts_for("inbound", subjects={CheckKind.MTA_STS: [subject]})

    details = [
        follow_up.detail
        for follow_up in follow_ups(facts, [_switched()])
        if follow_up.key == "mta-sts"
    ]

    assert details == ([wide] if wide else [])


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
def test_other_senders_in_spf(record: str, others: list[str] | None) -> None:
    assert others_in(_spf(record)) == others


def test_differing_spf_is_unknown() -> None:
    split = _spf("v=spf1 mx -all", unanimous=False)

    follow_up = _follow_up(facts_for("outbound", subjects={CheckKind.SPF: [split]}), "old-senders")

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
def test_old_senders_need_verified_spf(settled: str, age: timedelta, shape: str) -> None:
    spf = subject_of(CheckKind.SPF, settled, age=age)
    assert spf.check is not None
    assert spf.check.latest is not None
    spf.check.latest.evidence = {"record": "v=spf1 -all", "include": "us._netblocks.mimecast.test"}

    follow_up = _follow_up(facts_for("outbound", subjects={CheckKind.SPF: [spf]}), "old-senders")

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
def test_doubtful_done_lockdown_is_caution(
    status: str, outside: str, lags: bool, shape: str
) -> None:
    facts = facts_for(
        "inbound",
        tasks={LOCKDOWN: task_at(LOCKDOWN, status)},
        subjects={CheckKind.LOCKDOWN: [_side(CheckKind.LOCKDOWN, outside)]},
    )

    follow_up = _follow_up(facts, "lockdown", _switched(), *([ELSEWHERE] if lags else []))

    assert follow_up.shape.value == shape


@pytest.mark.parametrize(("before", "text"), [(300, "to 3600 s"), (7200, "to 7200 s")])
def test_unknown_original_ttl_is_an_hour(
    tenant: Tenant, consultant: User, signed_in: SignIn, before: int, text: str
) -> None:
    now = timezone.now()
    cutover = cutover_of(tenant, "inbound", now - timedelta(minutes=5))
    observe(tenant, CheckKind.MX, now - timedelta(days=2), before, OLD)
    observe(tenant, CheckKind.MX, now - timedelta(minutes=1), 300, *NEW)
    address = reverse("onboarding:cutover-room", args=[tenant.public_id, cutover.public_id])

    html = signed_in(consultant).get(address).content.decode()

    assert text in texts(html, "#follow-up-ttl")[0]


@pytest.mark.parametrize(
    ("settled", "shape"), [("pass", "pass"), ("warn", "pass"), ("", "todo"), ("fail", "todo")]
)
def test_outbound_message_follow_up(settled: str, shape: str) -> None:
    facts = facts_for(
        "outbound", subjects={CheckKind.MESSAGE: [subject_of(CheckKind.MESSAGE, settled)]}
    )

    assert _follow_up(facts, "message").shape.value == shape


def test_follow_up_starts_with_window_or_switch() -> None:
    before = facts_for("inbound", planned_at=NOW + timedelta(hours=1))
    after = facts_for("inbound", planned_at=NOW)

    assert not has_started(before, [LAGGING])
    assert has_started(before, [_switched()])
    assert has_started(after, [LAGGING])


def test_room_shows_follow_up_in_window(
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
    assert "is not known at every server yet" in texts(after, "#follow-up-old-hosts")[0]


def _received(verdict: str, code: str, *, minutes: int) -> ProofSubject:
    """A received message of one.test, `minutes` after the switch."""
    switched_at = NOW - timedelta(hours=1)
    received_at = switched_at + timedelta(minutes=minutes)
    latest = Observation(
        verdict=verdict,
        findings=[{"code": code, "params": {}}],
        evidence={"message": {"received_at": received_at.isoformat()}},
    )
    check = Check(
        kind="delivery_message", settled_verdict=verdict, latest=latest, received_at=received_at
    )
    return ProofSubject(
        CheckKind.DELIVERY_MESSAGE,
        "one.test",
        check,
        follows_switch=True,
        switched_at=switched_at,
    )


@pytest.mark.parametrize(
    ("subject", "shape", "text"),
    [
        (
            _received("pass", "delivery-message.through-region", minutes=5),
            "pass",
            "The headers of a submitted message show it for one.test.",
        ),
        (
            _received("pass", "delivery-message.through-region", minutes=-5),
            "todo",
            "No message to one.test has been submitted since the switch.",
        ),
        (
            _received("fail", "delivery-message.direct", minutes=24 * 60 + 5),
            "fail",
            "was not received from this region of Mimecast.",
        ),
        (
            _received("fail", "delivery-message.direct", minutes=5),
            "todo",
            "No message to one.test has been submitted since the switch.",
        ),
    ],
)
def test_received_message_decides_the_row(subject: ProofSubject, shape: str, text: str) -> None:
    facts = facts_for("inbound", subjects={CheckKind.DELIVERY_MESSAGE: [subject]})

    follow_up = _follow_up(facts, "message-in", _switched())

    assert (follow_up.shape.value, text in follow_up.detail) == (shape, True)
