"""What one subject proves, and what all subjects of a task prove together. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation, SendingPlatform
from onboarding.models import DomainProgress, Task, TaskRole
from onboarding.plan_templates.template_version import load_template_file
from onboarding.plans.proof import (
    ProofSubject,
    TaskEvidence,
    can_change,
    checks_by_subject,
    evidence_for,
    observed_switch,
)
from onboarding.plans.task_fields import SENDING_CHOICES
from tenants.models import Domain, Host, Tenant

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
MESSAGE, DELIVERY = CheckKind.MESSAGE, CheckKind.DELIVERY_MESSAGE
BOTH = tuple(SendingPlatform)
# A consultant has entered the values.
CONFIRMED = Domain(pk=1, name="one.test", role="primary", dkim_selectors="mc1")
PROPOSED = Domain(pk=1, name="one.test", role="primary")
PARKED = Domain(pk=2, name="parked.test", role="parked")
TEST = Domain(pk=3, name="test.test", role="test")


def check(kind: CheckKind = CheckKind.MX, settled: str = "pass", **values: Any) -> Check:
    defaults = {"domain": CONFIRMED, "settled_verdict": settled, "settled_at": NOW}
    return Check(kind=kind.value, **(defaults | values))


def newest(verdict: str, *codes: str, received_at: datetime | None = None) -> Observation:
    message = {"message": {"received_at": received_at.isoformat()}} if received_at else {}
    findings = [{"code": code, "params": {}} for code in codes]
    return Observation(verdict=verdict, findings=findings, evidence=message)


def subject(of: Check | None, **values: Any) -> ProofSubject:
    kind = CheckKind(of.kind) if of is not None else CheckKind.MX
    return ProofSubject(kind, "one.test", of, **values)


@pytest.mark.parametrize(
    ("of", "settled"),
    [
        (subject(check()), Verdict.PASS),
        (subject(check(settled="fail")), Verdict.FAIL),
        (subject(check(settled="")), None),
        (subject(None), None),
        (subject(check(CheckKind.DKIM)), Verdict.PASS),
        (subject(check(CheckKind.DKIM, domain=PROPOSED)), None),
        (subject(check(CheckKind.DKIM, "fail", domain=PROPOSED)), None),
    ],
)
def test_verdict_that_counts(of: ProofSubject, settled: Verdict | None) -> None:
    assert of.settled is settled
    assert of.is_verified is (settled is Verdict.PASS)


@pytest.mark.parametrize("settled", ["pass", "warn"])
@pytest.mark.parametrize(
    ("signed_at", "confirmed_at", "is_early"),
    [
        (NOW, NOW, False),
        (NOW + SECOND, NOW, False),
        (NOW - SECOND, NOW, True),
        # A signature has its time in whole seconds.
        (NOW, NOW + timedelta(microseconds=999_999), False),
        (None, NOW, True),
        (NOW, None, True),
    ],
)
def test_signed_message_follows_confirmation(
    settled: str, signed_at: datetime | None, confirmed_at: datetime | None, is_early: bool
) -> None:
    signed = check(MESSAGE, settled, signed_at=signed_at)

    cutover = subject(signed, follows_confirmation=True, confirmed_at=confirmed_at)

    assert (cutover.is_early, cutover.is_verified) == (is_early, not is_early)
    assert not subject(signed, confirmed_at=confirmed_at).is_early


@pytest.mark.parametrize("settled", ["fail", "not_applicable", ""])
@pytest.mark.parametrize("follows", ["follows_confirmation", "follows_switch"])
def test_only_a_passing_message_is_early(settled: str, follows: str) -> None:
    assert not subject(check(MESSAGE, settled), **{follows: True}).is_early


@pytest.mark.parametrize("follows", ["follows_confirmation", "follows_switch"])
def test_missing_check_is_not_early(follows: str) -> None:
    assert not subject(None, **{follows: True}, sending_platforms=BOTH).is_early


@pytest.mark.parametrize(
    ("signed", "missing"),
    [
        ({}, ["cloud", "on_premises"]),
        ({"cloud": NOW}, ["on_premises"]),
        ({"cloud": NOW, "on_premises": NOW - SECOND}, ["on_premises"]),
        ({"cloud": NOW, "on_premises": NOW}, []),
    ],
)
def test_each_half_signs_a_message(signed: dict[str, datetime], missing: list[str]) -> None:
    stored = {platform: at.isoformat() for platform, at in signed.items()}
    # The newest message alone would count.
    of = check(MESSAGE, signed_by_platform=stored, signed_at=NOW)

    hybrid = subject(of, follows_confirmation=True, confirmed_at=NOW, sending_platforms=BOTH)

    assert [platform.value for platform in hybrid.missing_platforms] == missing
    assert hybrid.is_early is bool(missing)


def test_missing_check_has_no_message_of_any_half() -> None:
    assert subject(None, confirmed_at=NOW, sending_platforms=BOTH).missing_platforms == BOTH


@pytest.mark.parametrize(
    ("received_at", "switched_at", "is_early"),
    [
        (NOW, NOW, False),
        (NOW + SECOND, NOW, False),
        (NOW - SECOND, NOW, True),
        # A Received line has its time in whole seconds.
        (NOW, NOW + timedelta(microseconds=999_999), False),
        (None, NOW, True),
        (NOW, None, True),
    ],
)
def test_received_message_follows_switch(
    received_at: datetime | None, switched_at: datetime | None, is_early: bool
) -> None:
    received = check(DELIVERY, received_at=received_at)

    cutover = subject(received, follows_switch=True, switched_at=switched_at)

    assert (cutover.is_early, cutover.settled is None) == (is_early, is_early)
    assert not subject(received, switched_at=switched_at).is_early


DIRECT = "delivery-message.direct"
REGION = "delivery-message.other-region"
AFTER: dict[str, Any] = {"follows_switch": True, "switched_at": NOW}


@pytest.mark.parametrize(
    ("kind", "latest", "values", "expected"),
    [
        (DELIVERY, newest("fail", DIRECT, received_at=NOW + HOUR), AFTER, True),
        (DELIVERY, newest("fail", DIRECT, received_at=NOW + HOUR - SECOND), AFTER, False),
        (DELIVERY, newest("fail", DIRECT, received_at=NOW + DAY), {}, False),
        (
            DELIVERY,
            newest("fail", DIRECT, received_at=NOW + DAY),
            {"follows_switch": True},
            False,
        ),
        (DELIVERY, newest("fail", DIRECT, received_at=NOW + DAY), {"switched_at": NOW}, False),
        (DELIVERY, newest("fail", DIRECT), AFTER, False),
        (DELIVERY, newest("pass", received_at=NOW + DAY), AFTER, False),
        (DELIVERY, newest("unknown", REGION, received_at=NOW + DAY), AFTER, False),
        # Another region is never right.
        (DELIVERY, newest("fail", DIRECT, REGION), {}, True),
        # The other kinds settle a verdict of their own.
        (MESSAGE, newest("fail", REGION, received_at=NOW + DAY), AFTER, False),
        (DELIVERY, None, AFTER, False),
    ],
)
def test_message_contradicts_after_old_ttl(
    kind: CheckKind, latest: Observation | None, values: dict[str, Any], expected: bool
) -> None:
    """The old MX records have a TTL of an hour."""
    domain = Domain(pk=1, name="one.test", original_mx_ttl_seconds=3600)

    assert subject(check(kind, "", domain=domain, latest=latest), **values).contradicts is expected


@pytest.mark.parametrize(("age", "expected"), [(DAY - SECOND, False), (DAY, True)])
def test_unknown_old_ttl_is_a_day(age: timedelta, expected: bool) -> None:
    late = newest("fail", DIRECT, received_at=NOW + age)

    for domain in (CONFIRMED, None):
        of = check(DELIVERY, "", domain=domain, latest=late)
        assert subject(of, **AFTER).contradicts is expected


def test_missing_check_contradicts_nothing() -> None:
    assert not ProofSubject(DELIVERY, "one.test", None, **AFTER).contradicts


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (subject(check(DELIVERY, "")), True),
        (subject(check(DELIVERY, "pass")), True),
        (subject(check(DELIVERY, "fail")), False),
        (subject(check(settled="not_applicable")), True),
        (subject(check(MESSAGE, ""), confirmation_suffices=True), True),
        (subject(check(MESSAGE, ""), confirmation_suffices=False), False),
        (subject(check(MESSAGE, "fail"), confirmation_suffices=True), False),
        (subject(None, confirmation_suffices=True), True),
        (subject(None), False),
    ],
)
def test_unverifiable_subject(of: ProofSubject, expected: bool) -> None:
    assert of.is_unverifiable is expected


@pytest.mark.parametrize(
    ("settled", "host", "expected"),
    [
        ("", Host(confirmed_at=NOW), True),
        ("pass", Host(confirmed_at=NOW), False),
        ("fail", Host(confirmed_at=NOW), False),
        ("", Host(proposed_at=NOW), False),
    ],
)
def test_port_for_mimecast_only(settled: str, host: Host, expected: bool) -> None:
    latest = newest("fail", "smtp.unreachable", "smtp.unreachable-from-here")
    of = check(CheckKind.SMTP, settled, domain=None, host=host, latest=latest)

    assert subject(of).is_unverifiable is expected


@pytest.mark.parametrize(
    ("of", "expected"),
    [(subject(check(MESSAGE)), True), (subject(check()), False), (subject(None), False)],
)
def test_message_kinds_need_a_message(of: ProofSubject, expected: bool) -> None:
    assert of.needs_message is expected


# --- All subjects of a task

PASS, WARN, FAIL = (subject(check(settled=settled)) for settled in ("pass", "warn", "fail"))
OPEN, NONE = subject(check(settled="")), subject(None)
SKIPPED = subject(check(settled="not_applicable"))
TEXT, TEXT_FAIL = (subject(check(DELIVERY, settled)) for settled in ("pass", "fail"))


@pytest.mark.parametrize(
    ("subjects", "verified", "unverifiable", "is_open", "failing"),
    [
        ((), False, False, False, ()),
        ((PASS,), True, False, False, ()),
        ((PASS, WARN), True, False, False, ()),
        ((PASS, OPEN), False, False, True, ()),
        ((PASS, NONE), False, False, True, ()),
        ((PASS, FAIL), False, False, False, (FAIL,)),
        ((PASS, SKIPPED), True, True, False, ()),
        ((SKIPPED,), False, True, False, ()),
        ((SKIPPED, OPEN), False, False, True, ()),
        ((TEXT,), False, True, False, ()),
        ((PASS, TEXT), True, True, False, ()),
        # Text that a person can edit neither verifies nor fails a task.
        ((PASS, TEXT_FAIL), True, False, False, ()),
        ((OPEN, TEXT), False, False, True, ()),
    ],
)
def test_task_needs_every_subject(
    subjects: tuple[ProofSubject, ...],
    verified: bool,
    unverifiable: bool,
    is_open: bool,
    failing: tuple[ProofSubject, ...],
) -> None:
    found = TaskEvidence(subjects)

    assert (found.is_verified, found.is_unverifiable) == (verified, unverifiable)
    assert (found.is_open, found.failing) == (is_open, failing)


@pytest.mark.parametrize("subjects", [(), (PASS,), (SKIPPED,)])
def test_kind_without_subject_is_open(subjects: tuple[ProofSubject, ...]) -> None:
    found = TaskEvidence(subjects, (CheckKind.SMTP,))

    assert (found.is_verified, found.is_unverifiable, found.is_open) == (False, False, True)


def of_domain(number: int, settled: str, kind: CheckKind = CheckKind.MX) -> ProofSubject:
    domain = Domain(pk=number, name=f"d{number}.test", dkim_selectors="mc1")
    latest = Observation(verdict=settled, first_seen_at=NOW, last_seen_at=NOW)
    of = check(kind, settled, domain=domain, checked_at=NOW, latest=latest if settled else None)
    return ProofSubject(kind, str(domain), of, now=NOW)


def test_verified_domains_need_every_check() -> None:
    host = ProofSubject(CheckKind.SMTP, "mail", check(CheckKind.SMTP, domain=None, host=Host(pk=9)))
    subjects = (
        of_domain(1, "pass"),
        of_domain(2, "fail"),
        of_domain(2, "pass", CheckKind.SPF),
        of_domain(3, "pass", CheckKind.SPF),
        of_domain(3, ""),
        of_domain(4, "pass", DELIVERY),
        of_domain(5, "warn", DELIVERY),
        of_domain(5, "warn"),
        host,
        NONE,
    )

    assert TaskEvidence(subjects).verified_domain_ids == {1, 5}


def test_state_of_domain_is_the_first_unverified() -> None:
    one, two = of_domain(1, "pass"), of_domain(1, "fail", CheckKind.SPF)
    three, four = of_domain(1, "", CheckKind.DMARC), of_domain(2, "warn")
    five = of_domain(2, "pass", CheckKind.SPF)

    found = TaskEvidence((one, NONE, two, three, four, five))

    assert found.states_by_domain == {1: two.state, 2: five.state}


def test_verified_subjects_have_a_settled_pass() -> None:
    found = TaskEvidence((PASS, FAIL, WARN, OPEN, SKIPPED, NONE, TEXT))

    assert found.verified_subjects == (PASS, WARN, TEXT)


def mta_sts(settled: str, *codes: str, kind: CheckKind = CheckKind.MTA_STS) -> ProofSubject:
    latest = newest("not_applicable", *codes) if codes else None
    return subject(check(kind, settled, latest=latest))


NO_POLICY = mta_sts("not_applicable", "mta-sts.none")


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (NO_POLICY, True),
        (mta_sts("not_applicable"), False),
        (mta_sts("not_applicable", "mta-sts.mode-none"), False),
        (mta_sts("not_applicable", "mta-sts.none", "mta-sts.almost"), False),
        # The alias of a wildcard answers for the name of the record, too.
        (mta_sts("not_applicable", "mta-sts.none", "dns.alias-without-record"), True),
        (mta_sts("not_applicable", "dns.alias-without-record"), False),
        (mta_sts("", "mta-sts.none"), False),
        (mta_sts("pass", "mta-sts.none"), False),
        (mta_sts("not_applicable", "mta-sts.none", kind=CheckKind.MX), False),
        (NONE, False),
    ],
)
def test_domain_without_policy(of: ProofSubject, expected: bool) -> None:
    assert of.has_no_policy is expected


@pytest.mark.parametrize(
    ("subjects", "expected"),
    [
        ((), False),
        ((NO_POLICY,), True),
        ((NO_POLICY, NO_POLICY), True),
        ((NO_POLICY, mta_sts("")), False),
        ((mta_sts("pass"),), False),
    ],
)
def test_no_domain_has_a_policy(subjects: tuple[ProofSubject, ...], expected: bool) -> None:
    assert TaskEvidence(subjects).has_no_policy is expected


def test_contradicting_messages_are_listed() -> None:
    wrong = subject(check(DELIVERY, "", latest=newest("fail", REGION)))

    assert TaskEvidence((PASS, wrong, TEXT)).contradicting_messages == (wrong,)


# --- The subjects of a task


def evidence(task: Task, checks: list[Check], **values: Any) -> TaskEvidence:
    given: dict[str, Any] = {"domains": [CONFIRMED, PARKED, TEST], "hosts": []} | values
    tenant = Tenant(platform=given.pop("platform", "microsoft_365"))
    return evidence_for(task, tenant, checks=checks_by_subject(checks), **given)


@pytest.mark.parametrize(
    ("role", "kind", "follows_confirmation", "follows_switch"),
    [
        (TaskRole.SWITCHES_OUTBOUND, MESSAGE, True, False),
        (TaskRole.SWITCHES_OUTBOUND, DELIVERY, False, False),
        (TaskRole.SWITCHES_INBOUND, MESSAGE, False, False),
        (TaskRole.SWITCHES_INBOUND, DELIVERY, False, True),
        ("", MESSAGE, False, False),
        ("", DELIVERY, False, False),
    ],
)
def test_message_follows_the_switch_of_its_task(
    role: str, kind: CheckKind, follows_confirmation: bool, follows_switch: bool
) -> None:
    task = Task(role=role, check_kinds=[kind], domain_roles=["primary"], responsibility="client")
    confirmed = DomainProgress(domain=CONFIRMED, client_confirmed_at=NOW - HOUR)

    (found,) = evidence(
        task, [check(kind), check(settled="warn")], domains=[CONFIRMED], progress={1: confirmed}
    ).subjects

    assert (found.follows_confirmation, found.follows_switch) == (
        follows_confirmation,
        follows_switch,
    )
    assert (found.confirmed_at, found.switched_at) == (NOW - HOUR, NOW)


@pytest.mark.parametrize(
    ("platform", "role", "platforms"),
    [
        ("hybrid", TaskRole.SWITCHES_OUTBOUND, BOTH),
        ("hybrid", "", ()),
        ("on_premises", TaskRole.SWITCHES_OUTBOUND, ()),
    ],
)
def test_both_halves_of_hybrid_system(
    platform: str, role: str, platforms: tuple[SendingPlatform, ...]
) -> None:
    task = Task(role=role, check_kinds=[MESSAGE], domain_roles=["primary"])

    (found,) = evidence(task, [check(MESSAGE)], platform=platform).subjects

    assert found.sending_platforms == platforms


@pytest.mark.parametrize(
    ("value", "platforms"),
    [
        ("Both", BOTH),
        ("Exchange Online", (SendingPlatform.CLOUD,)),
        ("Exchange on-premises", (SendingPlatform.ON_PREMISES,)),
    ],
)
def test_only_halves_that_send_need_a_message(
    value: str, platforms: tuple[SendingPlatform, ...]
) -> None:
    key = next(
        each.key
        for item in load_template_file().tasks
        if item.role == TaskRole.SWITCHES_OUTBOUND
        for each in item.fields
        if each.sends
    )
    fields = [{"key": key, "label": "S", "type": "choice", "required": False, "sends": True,
               "per_domain": True, "choices": list(SENDING_CHOICES)}]  # fmt: skip
    task = Task(
        role=TaskRole.SWITCHES_OUTBOUND,
        check_kinds=[MESSAGE],
        domain_roles=["primary"],
        fields=fields,
    )
    named = evidence(task, [check(MESSAGE)], platform="hybrid").subjects[0]
    assert named.sending_platforms == BOTH
    task.field_values = {f"{key}.{CONFIRMED.public_id}": {"value": value}}

    (found,) = evidence(task, [check(MESSAGE)], platform="hybrid").subjects

    assert found.sending_platforms == platforms


@pytest.mark.parametrize(
    ("kind", "is_per_domain", "names"),
    [
        (DELIVERY, False, ["one.test", "test.test"]),
        (DELIVERY, True, ["one.test"]),
        (MESSAGE, False, ["one.test"]),
    ],
)
def test_route_is_tested_with_any_mail_domain(
    kind: CheckKind, is_per_domain: bool, names: list[str]
) -> None:
    task = Task(check_kinds=[kind], domain_roles=["primary"], is_per_domain=is_per_domain)

    assert [found.name for found in evidence(task, []).subjects] == names


def test_subject_has_drift_and_time() -> None:
    task = Task(check_kinds=["mx"], domain_roles=["primary", "test"])
    mx = check(pk=7)

    one, other = evidence(task, [mx], drifted_since={7: NOW - DAY, 8: NOW}, now=NOW).subjects

    assert [(each.drifted_since, each.now) for each in (one, other)] == [
        (NOW - DAY, NOW),
        (None, NOW),
    ]
    assert one.state.is_drifted


@pytest.mark.parametrize(
    ("mx", "switched_at"),
    [
        (check(), NOW),
        (check(settled="warn"), NOW),
        (check(settled="fail"), None),
        (check(settled="not_applicable"), None),
        (check(settled=""), None),
        (check(is_active=False), None),
        (None, None),
    ],
)
def test_switch_is_a_settled_pass(mx: Check | None, switched_at: datetime | None) -> None:
    assert observed_switch(mx) == switched_at


# --- Verdicts that can change a task


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (check(), False),
        (check(settled="warn"), False),
        (check(settled="fail"), True),
        (check(settled=""), True),
        (check(settled="not_applicable"), True),
        (check(CheckKind.DKIM), False),
        (check(CheckKind.DKIM, domain=PROPOSED), True),
        (check(MESSAGE), True),
        # The task does not need this kind.
        (check(CheckKind.SPF, "fail"), False),
    ],
)
def test_plain_pass_keeps_a_verified_task(of: Check, expected: bool) -> None:
    task = Task(check_kinds=["mx", "dkim", "message"], verified_at=NOW)

    assert can_change(task, Tenant(), [of]) is expected
    assert can_change(task, Tenant(), [check(), of]) is expected


def test_sufficing_confirmation_can_change() -> None:
    task = Task(check_kinds=["mx"], confirmation_suffices=True, verified_at=NOW)

    assert can_change(task, Tenant(), [check()])
    assert not can_change(task, Tenant(), [check(CheckKind.SPF, "fail")])
