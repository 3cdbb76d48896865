"""What the facts of a source prove, with and without the other checks of a task. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation
from onboarding.models import Task, TaskRole
from onboarding.plans.proof import (
    ProofSubject,
    TaskEvidence,
    can_change,
    checks_by_subject,
    completing_kinds,
    evidence_for,
    is_for_platform,
    label_of_source,
    last_switch,
    needed_kinds,
    supporting_kinds,
)
from onboarding.plans.received_messages import ReceivedMessage
from tenants.models import Domain, Host, Tenant

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FILTER, INBOUND = CheckKind.CONNECTION_FILTER, CheckKind.INBOUND_CONNECTOR
DELIVERY = CheckKind.DELIVERY_MESSAGE
ONE, TWO, PARKED = (
    Domain(pk=pk, name=f"{name}.test", role=role)
    for pk, (name, role) in enumerate(
        (("one", "primary"), ("two", "secondary"), ("parked", "parked")), start=1
    )
)
MAIL = Host(pk=1, name="mail.test", port=25, purpose="delivery")


def check(kind: CheckKind = FILTER, settled: str = "pass", **values: Any) -> Check:
    defaults = {"domain": ONE, "settled_verdict": settled, "settled_at": NOW}
    return Check(kind=kind.value, **(defaults | values))


def subject(kind: CheckKind = FILTER, settled: str = "pass", **values: Any) -> ProofSubject:
    return ProofSubject(kind, "one.test", check(kind, settled), **values)


def sources(*kinds: CheckKind) -> list[dict[str, str]]:
    return [{"source": "exchange_online", "check": kind, "strength": "strong"} for kind in kinds]


def evidence(task: Task, *checks: Check, **values: Any) -> TaskEvidence:
    given: dict[str, Any] = {"domains": [PARKED, TWO, ONE], "hosts": [MAIL]} | values
    tenant = Tenant(platform=given.pop("platform", "microsoft_365"))
    return evidence_for(task, tenant, checks=checks_by_subject(checks), **given)


@pytest.mark.parametrize("settled", ["pass", "warn"])
@pytest.mark.parametrize(
    ("facts_at", "switched_at", "is_early"),
    [
        (NOW, NOW - SECOND, False),
        # Facts from the moment of the switch may be from before it.
        (NOW, NOW, True),
        (NOW, NOW + SECOND, True),
        (NOW, None, True),
        (None, NOW, True),
    ],
)
def test_facts_follow_switch(
    settled: str, facts_at: datetime | None, switched_at: datetime | None, is_early: bool
) -> None:
    of = check(INBOUND, settled, facts_at=facts_at)

    lockdown = ProofSubject(INBOUND, "one.test", of, follows_switch=True, switched_at=switched_at)

    assert (lockdown.is_early, lockdown.is_verified) == (is_early, not is_early)
    assert not ProofSubject(INBOUND, "one.test", of, switched_at=switched_at).is_early


@pytest.mark.parametrize("settled", ["fail", "not_applicable", ""])
def test_only_passing_facts_are_early(settled: str) -> None:
    assert not subject(INBOUND, settled, follows_switch=True).is_early


@pytest.mark.parametrize(
    ("kind", "is_of_source"), [(FILTER, True), (CheckKind.MX, False), (DELIVERY, False)]
)
def test_kinds_of_a_source(kind: CheckKind, is_of_source: bool) -> None:
    assert subject(kind).is_of_source is is_of_source


PASS, FAIL, OPEN, SKIPPED = (
    subject(CheckKind.LOCKDOWN, settled) for settled in ("pass", "fail", "", "not_applicable")
)
SOURCE, BAD, UNREAD, NOTHING = (
    subject(INBOUND, settled, confirmation_suffices=True)
    for settled in ("warn", "fail", "", "not_applicable")
)
ABSENT = ProofSubject(INBOUND, "one.test", None, confirmation_suffices=True)


@pytest.mark.parametrize(
    ("subjects", "alternatives", "verified", "unverifiable", "is_open"),
    [
        ((), (SOURCE,), True, True, False),
        ((), (UNREAD,), False, True, True),
        ((), (ABSENT,), False, True, True),
        ((), (NOTHING,), False, True, False),
        ((), (BAD,), False, False, False),
        ((), (SOURCE, BAD), False, False, False),
        ((), (SOURCE, UNREAD), True, True, False),
        ((), (NOTHING, UNREAD), False, True, False),
        # The checks suffice without an export, and the export without the checks.
        ((PASS,), (ABSENT,), True, False, False),
        ((PASS,), (UNREAD,), True, False, False),
        ((PASS,), (BAD,), False, False, False),
        ((OPEN,), (SOURCE,), True, False, False),
        ((OPEN,), (UNREAD,), False, False, True),
        ((OPEN,), (NOTHING,), False, False, True),
        ((FAIL,), (SOURCE,), False, False, False),
        ((SKIPPED,), (UNREAD,), False, True, False),
    ],
)
def test_checks_or_a_source_prove_the_task(
    subjects: tuple[ProofSubject, ...],
    alternatives: tuple[ProofSubject, ...],
    verified: bool,
    unverifiable: bool,
    is_open: bool,
) -> None:
    found = TaskEvidence(subjects, alternatives=alternatives)

    assert (found.is_verified, found.is_unverifiable) == (verified, unverifiable)
    assert found.is_open is is_open
    assert found.failing == tuple(each for each in (FAIL, BAD) if each in subjects + alternatives)


@pytest.mark.parametrize(
    ("alternative", "verified", "unverifiable"),
    [(SOURCE, True, False), (UNREAD, False, False), (BAD, False, False)],
)
def test_source_completes_task_without_its_host(
    alternative: ProofSubject, verified: bool, unverifiable: bool
) -> None:
    found = TaskEvidence((), (CheckKind.LOCKDOWN,), (alternative,))

    assert (found.is_verified, found.is_unverifiable) == (verified, unverifiable)


def test_proving_subjects_are_the_checks_and_verified_sources() -> None:
    found = TaskEvidence((PASS, OPEN), alternatives=(SOURCE, UNREAD, NOTHING))

    assert found.proving_subjects == (PASS, OPEN, SOURCE)
    assert found.verified_subjects == (PASS, SOURCE)


def test_failing_text_is_no_failure_of_the_task() -> None:
    text = subject(DELIVERY, "fail")

    assert TaskEvidence((text, FAIL), alternatives=(BAD,)).failing == (FAIL, BAD)


# --- The sources of a task


@pytest.mark.parametrize(
    ("platform", "kind", "expected"),
    [
        ("microsoft_365", FILTER, True),
        ("hybrid", FILTER, True),
        ("google_workspace", FILTER, False),
        ("on_premises", INBOUND, False),
        ("google_workspace", CheckKind.MX, True),
    ],
)
def test_source_reads_its_platform(platform: str, kind: CheckKind, expected: bool) -> None:
    assert is_for_platform(kind, Tenant(platform=platform)) is expected
    assert needed_kinds([kind], Tenant(platform=platform)) == ([kind] if expected else [])


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        (FILTER, "Exchange Online export"),
        (CheckKind.MESSAGE, "a test message"),
        (DELIVERY, "a test message"),
        (CheckKind.SMTP, "a connection test"),
        (CheckKind.MX, "DNS"),
    ],
)
def test_label_of_source(kind: CheckKind, label: str) -> None:
    assert label_of_source(kind) == label


@pytest.mark.parametrize(
    ("platform", "completing", "supporting"),
    [
        ("microsoft_365", [INBOUND, FILTER], ["lockdown"]),
        # An export shows one half of a hybrid system.
        ("hybrid", [FILTER], ["lockdown", INBOUND]),
        ("google_workspace", [], ["lockdown"]),
        ("on_premises", [], ["lockdown"]),
    ],
)
def test_sources_of_platform(platform: str, completing: list[str], supporting: list[str]) -> None:
    task = Task(completed_by=sources(INBOUND, FILTER), evidence_kinds=["lockdown"])
    tenant = Tenant(platform=platform)

    assert completing_kinds(task, tenant) == completing
    assert supporting_kinds(task, tenant) == supporting


def test_organisation_is_the_subject_of_a_source() -> None:
    task = Task(completed_by=sources(FILTER, INBOUND))
    of = check(pk=4, domain_id=1)
    given: dict[str, Any] = {"drifted_since": {4: NOW - SECOND}, "pending_messages": {4}}

    found = evidence(task, of, check(INBOUND, domain=TWO, domain_id=2), now=NOW, **given)

    subjects = (
        ProofSubject(
            FILTER,
            "one.test",
            of,
            confirmation_suffices=True,
            drifted_since=NOW - SECOND,
            has_pending_message=True,
        ),
        ProofSubject(INBOUND, "one.test", None, confirmation_suffices=True),
    )
    assert found == TaskEvidence((), (), subjects)
    assert [each.now for each in found.alternatives] == [NOW, NOW]


@pytest.mark.parametrize("platform", ["google_workspace", "on_premises", "other"])
def test_other_platform_needs_a_confirmation(platform: str) -> None:
    found = evidence(Task(completed_by=sources(INBOUND)), platform=platform)

    assert (found.subjects, found.alternatives, found.missing) == ((), (), ())
    assert (found.is_unverifiable, found.is_verified, found.is_open) == (True, False, False)


def test_half_of_hybrid_needs_a_confirmation() -> None:
    task, of = Task(completed_by=sources(INBOUND)), check(INBOUND)

    assert evidence(task, of, platform="hybrid") == TaskEvidence((), is_without_source=True)
    # The export is shown with the task.
    (shown,) = evidence(task, of, platform="hybrid", kinds=[INBOUND]).subjects
    assert (shown.kind, shown.check) == (INBOUND, of)


def test_task_without_checks_has_no_evidence() -> None:
    assert evidence(Task()) == TaskEvidence(())
    assert evidence(Task(completed_by=sources(INBOUND)), kinds=[]) == TaskEvidence(())


def test_named_kinds_have_no_alternatives() -> None:
    task = Task(completed_by=sources(FILTER), check_kinds=["mx"], domain_roles=["primary"])

    assert [each.kind for each in evidence(task).alternatives] == [FILTER]
    assert evidence(task, kinds=["mx"]).alternatives == ()


def test_source_without_organisation_is_not_missing() -> None:
    found = evidence(Task(), kinds=[FILTER, "mx"], domains=[PARKED])

    assert (found.subjects, found.missing) == ((), (CheckKind.MX,))


@pytest.mark.parametrize(("role", "follows"), [(TaskRole.LOCKDOWN, True), ("", False)])
def test_lockdown_follows_the_last_switch(role: str, follows: bool) -> None:
    task = Task(role=role, completed_by=sources(INBOUND))
    switches = [
        check(CheckKind.MX, domain=each, domain_id=each.pk, settled_at=NOW + each.pk * SECOND)
        for each in (TWO, ONE)
    ]

    (found,) = evidence(task, *switches).alternatives

    assert found.follows_switch is follows
    assert found.switched_at == (NOW + 2 * SECOND if follows else None)


@pytest.mark.parametrize(
    ("domains", "settled", "expected"),
    [
        ([ONE, TWO], {1: "pass", 2: "warn"}, NOW + 2 * SECOND),
        ([TWO, ONE], {1: "pass", 2: "warn"}, NOW + 2 * SECOND),
        ([ONE, PARKED], {1: "pass"}, NOW + SECOND),
        ([ONE, TWO], {1: "pass"}, None),
        ([ONE, TWO], {1: "pass", 2: "fail"}, None),
        ([PARKED], {}, None),
        ([], {}, None),
    ],
)
def test_last_switch_of_all_domains(
    domains: list[Domain], settled: dict[int, str], expected: datetime | None
) -> None:
    checks = checks_by_subject(
        check(CheckKind.MX, verdict, domain_id=pk, settled_at=NOW + pk * SECOND)
        for pk, verdict in settled.items()
    )

    assert last_switch(checks, domains) == expected


@pytest.mark.parametrize(
    ("own", "expected"),
    [(check(), True), (check(CheckKind.MX), True), (check(CheckKind.SPF, "fail"), False)],
)
@pytest.mark.parametrize("verified_at", [None, NOW])
def test_source_can_change_the_task(
    own: Check, expected: bool, verified_at: datetime | None
) -> None:
    """Also a check does: without its FAIL, the source proves the task."""
    task = Task(check_kinds=["mx"], completed_by=sources(FILTER), verified_at=verified_at)

    assert can_change(task, Tenant(), [own]) is expected


# --- The messages of a check


def test_subject_has_its_messages() -> None:
    task = Task(check_kinds=[DELIVERY, "mx"], domain_roles=["primary", "secondary"])
    earlier = (ReceivedMessage(Verdict.FAIL, frozenset(), NOW),)
    waiting, other = check(DELIVERY, pk=7, domain_id=1), check(DELIVERY, pk=8, domain_id=2)

    found = evidence(
        task, waiting, other, pending_messages={7}, earlier_messages={7: earlier, 9: ()}
    )

    messages = {
        each.name: (each.has_pending_message, each.earlier_messages)
        for each in found.subjects
        if each.kind is DELIVERY
    }
    assert messages == {"one.test": (True, earlier), "two.test": (False, ())}


def test_earlier_message_contradicts() -> None:
    latest = Observation(verdict="unknown", findings=[], evidence={})
    wrong = ReceivedMessage(Verdict.FAIL, frozenset({"delivery-message.other-region"}), NOW)
    of = check(DELIVERY, "", latest=latest)

    assert ProofSubject(DELIVERY, "one.test", of, earlier_messages=(wrong,)).contradicts
    assert not ProofSubject(DELIVERY, "one.test", of).contradicts
