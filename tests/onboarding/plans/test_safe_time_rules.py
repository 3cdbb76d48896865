"""Which safe time a task waits for, and its sentences. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from checks.safe_times import SafeTime
from onboarding.models import ManualStatus, Task, TaskRole, TaskStatus
from onboarding.plans.safe_times import (
    PlanSafeTime,
    gate_times,
    not_safe_yet,
    policy_safe_time,
    safe_time_for,
    safe_time_of,
    safe_times_by_kind,
    shown_safe_time,
)
from tenants.models import Domain, Tenant
from tenants.regions import Region

NOW = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
HOSTS = ("us-smtp-inbound-1.mimecast.com", "us-smtp-inbound-2.mimecast.com")
NEW = tuple(f"10 {host}" for host in HOSTS)
OLD = ("10 mail.test",)
AHEAD, OVER, UNKNOWN = SafeTime(NOW + HOUR), SafeTime(NOW - HOUR), SafeTime(None)


def safety(of: SafeTime = AHEAD, switch: str = "lockdown", **values: Any) -> PlanSafeTime:
    return PlanSafeTime(switch, "one.test", of, NOW, **values)


@pytest.mark.parametrize(
    ("of", "is_ahead", "is_unknown"),
    [
        (AHEAD, True, False),
        (SafeTime(NOW + SECOND), True, False),
        (SafeTime(NOW), False, False),
        (OVER, False, False),
        (UNKNOWN, False, True),
    ],
)
def test_safe_time_is_ahead_or_unknown(of: SafeTime, is_ahead: bool, is_unknown: bool) -> None:
    found = safety(of)

    assert (found.is_ahead, found.is_unknown) == (is_ahead, is_unknown)


# --- Why a safe time is unknown

ONE, TWO = "ns1.test (192.0.2.1)", "ns2.test (192.0.2.2)"
OR_RISK = "Otherwise a consultant can accept the risk of this task."
SO = "so Gangway cannot compute when the lockdown is safe."
REPAIR = "Repair the name server or remove it from the delegation, then check one.test again."
REPLACE = "Replace the MX records there, then check one.test again."
PUBLISH = "Publish the MX records there, then check one.test again."


def pending(*names: str, silent: tuple[str, ...] = (), empty: tuple[str, ...] = ()) -> SafeTime:
    return SafeTime(None, names, silent, empty)


@pytest.mark.parametrize(
    ("of", "reason", "remedy"),
    [
        (pending(ONE), f"{ONE} of one.test still publishes the old hosts", REPLACE),
        (pending(ONE, TWO), f"{ONE} and {TWO} of one.test still publish the old hosts", REPLACE),
        (pending(ONE, silent=(ONE,)), f"{ONE} of one.test does not answer", REPAIR),
        (
            pending(ONE, TWO, silent=(ONE, TWO)),
            f"{ONE} and {TWO} of one.test do not answer",
            REPAIR,
        ),
        (pending(ONE, empty=(ONE,)), f"{ONE} of one.test has no MX records", PUBLISH),
        (
            pending(ONE, TWO, empty=(ONE, TWO)),
            f"{ONE} and {TWO} of one.test have no MX records",
            PUBLISH,
        ),
        # Old hosts come first, then servers without an answer.
        (
            pending(ONE, TWO, silent=(TWO,)),
            f"{ONE} of one.test still publishes the old hosts",
            REPLACE,
        ),
        (
            pending(ONE, TWO, empty=(ONE,)),
            f"{TWO} of one.test still publishes the old hosts",
            REPLACE,
        ),
        (
            pending(ONE, TWO, silent=(TWO,), empty=(ONE,)),
            f"{TWO} of one.test does not answer",
            REPAIR,
        ),
        (
            UNKNOWN,
            "one.test has no check yet that found only Mimecast’s MX hosts at every name server",
            "Check the MX records of one.test again.",
        ),
    ],
)
def test_cause_and_remedy(of: SafeTime, reason: str, remedy: str) -> None:
    found = safety(of)

    assert (found.cause, found.remedy) == (f"{reason}, {SO}", f"{remedy} {OR_RISK}")


@pytest.mark.parametrize(
    ("switch", "others", "ending"),
    [
        ("cutover", 0, "when the MX cutover is safe."),
        ("lockdown", 0, "when the lockdown is safe."),
        ("decommissioning", 0, "when switching off the old gateway is safe."),
        ("lockdown", 1, "when the lockdown is safe. The same applies to one more domain."),
        ("lockdown", 2, "when the lockdown is safe. The same applies to 2 more domains."),
    ],
)
def test_cause_names_switch_and_other_domains(switch: str, others: int, ending: str) -> None:
    assert safety(pending(ONE), switch, others=others).cause.endswith(f" compute {ending}")


@pytest.mark.parametrize(
    ("role", "subject"),
    [
        (TaskRole.SWITCHES_INBOUND, "The MX cutover"),
        (TaskRole.LOCKDOWN, "The lockdown"),
        (TaskRole.DECOMMISSION, "Switching off the old gateway"),
        ("", "The lockdown"),
    ],
)
def test_sentence_of_task_before_its_time(role: str, subject: str) -> None:
    assert not_safe_yet(role, NOW) == f"{subject} is safe from Tue 1 Dec, 23:30 UTC."


# --- The safe time of a task

MX, TTL, POLICY = "mx", "mx_ttl", "mta_sts"
LOCK = safety(SafeTime(NOW + 3 * HOUR))
LOW_TTL = safety(SafeTime(NOW + HOUR), "cutover")
EXPIRY = safety(SafeTime(NOW + 2 * HOUR), "cutover", is_policy=True)
ALL = {MX: LOCK, TTL: LOW_TTL, POLICY: EXPIRY}


def condition(kind: str, **values: Any) -> Task:
    return Task(check_kinds=["spf", kind], **values)


SKIPPED = {"manual_status": ManualStatus.NOT_NEEDED, "status": TaskStatus.NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("role", "known", "tasks", "expected"),
    [
        (TaskRole.LOCKDOWN, ALL, [], LOCK),
        (TaskRole.DECOMMISSION, ALL, [], replace(LOCK, switch="decommissioning")),
        (TaskRole.LOCKDOWN, {TTL: LOW_TTL}, [], None),
        (TaskRole.CLOSURE, ALL, [], None),
        ("", ALL, [], None),
        # The later of the two conditions.
        (TaskRole.SWITCHES_INBOUND, ALL, [], EXPIRY),
        (TaskRole.SWITCHES_INBOUND, {TTL: EXPIRY, POLICY: LOW_TTL}, [], EXPIRY),
        (TaskRole.SWITCHES_INBOUND, {TTL: LOW_TTL, MX: LOCK}, [], LOW_TTL),
        (TaskRole.SWITCHES_INBOUND, {POLICY: EXPIRY}, [], EXPIRY),
        (TaskRole.SWITCHES_INBOUND, {MX: LOCK}, [], None),
        (TaskRole.SWITCHES_INBOUND, {TTL: safety(UNKNOWN), POLICY: EXPIRY}, [], EXPIRY),
        (TaskRole.SWITCHES_INBOUND, {TTL: safety(UNKNOWN)}, [], None),
        # A condition whose own task is skipped delays no cutover.
        (TaskRole.SWITCHES_INBOUND, ALL, [condition(POLICY), condition(TTL)], EXPIRY),
        (TaskRole.SWITCHES_INBOUND, ALL, [condition(POLICY, **SKIPPED)], LOW_TTL),
        (TaskRole.SWITCHES_INBOUND, ALL, [condition(TTL, **SKIPPED)], EXPIRY),
        (
            TaskRole.SWITCHES_INBOUND,
            ALL,
            [condition(POLICY, **SKIPPED), condition(TTL, **SKIPPED)],
            None,
        ),
    ],
)
def test_safe_time_of_task(
    role: str, known: dict[str, PlanSafeTime], tasks: list[Task], expected: PlanSafeTime | None
) -> None:
    assert safe_time_for(Task(role=role), known, iter(tasks)) == expected


@pytest.mark.parametrize(
    ("found", "unsafe_until", "safe_on", "unknown"),
    [
        (None, None, None, False),
        # The day is that of the tenant's zone.
        (safety(AHEAD), NOW + HOUR, date(2026, 12, 2), False),
        (safety(OVER), None, date(2026, 12, 1), False),
        (safety(SafeTime(NOW)), None, date(2026, 12, 2), False),
        (safety(UNKNOWN), None, None, True),
    ],
)
def test_safe_time_in_tenant_zone(
    found: PlanSafeTime | None, unsafe_until: datetime | None, safe_on: date | None, unknown: bool
) -> None:
    times = gate_times(found, Tenant(time_zone="Europe/Berlin"))

    assert times == {
        "unsafe_until": unsafe_until,
        "safe_on": safe_on,
        "unknown_safe_time": found if unknown else None,
    }
    if times["unsafe_until"] is not None:
        assert f"{times['unsafe_until']:%H:%M %Z}" == "01:30 CET"


TODO, DONE, VERIFIED = TaskStatus.TODO, TaskStatus.DONE, TaskStatus.VERIFIED
PAST = safety(OVER)
OLD_POLICY = safety(OVER, "cutover", is_policy=True)


@pytest.mark.parametrize(
    ("status", "kinds", "known", "awaited", "expected"),
    [
        (TODO, [], {}, None, None),
        (TODO, [], {}, LOCK, LOCK),
        (TODO, [], {}, PAST, PAST),
        (TODO, [], {}, safety(UNKNOWN), safety(UNKNOWN)),
        (DONE, [], {}, LOCK, LOCK),
        # A name server that is silent long after a task was done is no danger.
        (DONE, [], {}, safety(UNKNOWN), None),
        (DONE, [], {}, PAST, None),
        # Of a verified task: the safe time of its checks.
        (VERIFIED, [TTL], ALL, None, LOW_TTL),
        (VERIFIED, ["spf", TTL], ALL, None, LOW_TTL),
        (VERIFIED, [MX], {MX: PAST}, None, PAST),
        (VERIFIED, [MX], {MX: safety(UNKNOWN)}, None, None),
        (VERIFIED, [MX, TTL], {MX: safety(UNKNOWN), TTL: LOW_TTL}, None, LOW_TTL),
        (VERIFIED, [MX, TTL], {TTL: LOW_TTL}, PAST, LOW_TTL),
        (VERIFIED, [POLICY], ALL, None, EXPIRY),
        (VERIFIED, [POLICY], {POLICY: OLD_POLICY}, None, None),
        (VERIFIED, ["spf"], {"spf": LOCK}, None, None),
        (DONE, [TTL], ALL, None, None),
        (TODO, [TTL], ALL, None, None),
    ],
)
def test_safe_time_in_a_row(
    status: TaskStatus,
    kinds: list[str],
    known: dict[str, PlanSafeTime],
    awaited: PlanSafeTime | None,
    expected: PlanSafeTime | None,
) -> None:
    assert shown_safe_time(Task(status=status, check_kinds=kinds), known, awaited) == expected


# --- The safe times of a tenant, by check kind


def region(*hosts: str) -> Region:
    return replace(Tenant(region="us").region_values, mx=hosts)


def check(kind: CheckKind, domain: str = "one.test", pk: int = 1, **values: Any) -> Check:
    of = Domain(pk=pk, name=domain, **values)
    return Check(pk=pk * 10 + list(CheckKind).index(kind) * 100, kind=kind.value, domain=of)


def observed(
    of: Check, minutes: int, *values: str, ttl: int | None = 300, **other: Any
) -> Observation:
    row: dict[str, Any] = {"name": "ns1.test", "address": "192.0.2.1", "status": "timeout"}
    if ttl is not None:
        row |= {"status": "records", "values": list(values), "ttl": ttl}
    at = NOW + timedelta(minutes=minutes)
    given: dict[str, Any] = {"evidence": {"servers": [row]}, "findings": [], "verdict": "pass"}
    given |= {"first_seen_at": at, "last_seen_at": at}
    return Observation(check_asked=of, **(given | other))


def policy(of: Check, minutes: int, verdict: str, code: str, **params: Any) -> Observation:
    findings = [{"code": code, "params": params}]
    return observed(of, minutes, verdict=verdict, findings=findings, evidence={})


def former_policy(of: Check, max_age: int) -> list[Observation]:
    return [
        policy(of, 0, "fail", "mta-sts.not-permitted", max_age=max_age),
        policy(of, 5, "pass", "mta-sts.permits", mode="enforce"),
    ]


def by_kind(checks: list[Check], *observations: Observation) -> dict[str, PlanSafeTime]:
    return safe_times_by_kind(checks, observations, region(*HOSTS), now=NOW)


def test_safe_times_of_one_domain() -> None:
    ttl, mx, sts = check(CheckKind.MX_TTL), check(CheckKind.MX), check(CheckKind.MTA_STS)
    rows = [observed(ttl, 0, *OLD, ttl=3600), observed(ttl, 5, *OLD)]
    rows += [observed(mx, 0, *OLD), observed(mx, 60, *NEW), *former_policy(sts, 7200)]

    found = by_kind([ttl, mx, sts, check(CheckKind.SPF)], *rows)

    five = NOW + timedelta(minutes=5)
    assert {kind: (each.switch, each.safe_time.safe_at) for kind, each in found.items()} == {
        TTL: ("cutover", five + HOUR),
        MX: ("lockdown", NOW + timedelta(minutes=60 + 5, hours=4)),
        POLICY: ("cutover", five + 2 * HOUR),
    }
    assert [(each.domain, each.now, each.others) for each in found.values()] == [
        ("one.test", NOW, 0)
    ] * 3
    assert [each.is_policy for each in found.values()] == [False, False, True]


def test_latest_policy_of_all_domains() -> None:
    checks = [
        check(CheckKind.MTA_STS, f"{name}.test", pk)
        for pk, name in enumerate(("one", "two", "three"), start=1)
    ]
    rows = [*former_policy(checks[0], 7200), *former_policy(checks[1], 9000)]

    found = by_kind(checks, *rows)

    assert list(found) == [POLICY]
    assert (found[POLICY].domain, found[POLICY].safe_time.ttl) == ("two.test", 9000)


def test_moved_domain_has_no_cutover_left() -> None:
    """Its low TTL and its former policy delay no switch."""
    ttl, sts = check(CheckKind.MX_TTL), check(CheckKind.MTA_STS)
    other = check(CheckKind.MX_TTL, "two.test", 2)
    rows = [observed(ttl, 0, *NEW, ttl=9000), *former_policy(sts, 7200)]

    assert by_kind([ttl, sts], *rows) == {}
    found = by_kind([ttl, sts, other], *rows, observed(other, 0, *OLD))
    assert [(kind, each.domain) for kind, each in found.items()] == [(TTL, "two.test")]


def test_unknown_safe_time_of_one_domain_hides_the_other() -> None:
    checks = [check(CheckKind.MX), check(CheckKind.MX, "two.test", 2)]
    ttls = [check(CheckKind.MX_TTL), check(CheckKind.MX_TTL, "two.test", 2)]
    rows = [observed(checks[0], 0, *NEW), observed(checks[1], 0, ttl=None)]
    rows += [observed(ttls[0], 0, *OLD), observed(ttls[1], 0, *OLD, ttl=9000)]

    found = by_kind([*checks, *ttls], *rows)

    assert list(found) == [MX]
    assert (found[MX].domain, found[MX].is_unknown, found[MX].others) == ("two.test", True, 0)
    assert (found[MX].switch, found[MX].now) == ("lockdown", NOW)


def test_first_unknown_domain_by_name() -> None:
    checks = [check(CheckKind.MX, "b.test"), check(CheckKind.MX, "a.test", 2)]

    found = by_kind(checks)

    assert (found[MX].domain, found[MX].others) == ("a.test", 1)


def test_region_without_hosts_has_no_lockdown() -> None:
    mx = check(CheckKind.MX)
    rows = [observed(mx, 0, *NEW)]

    assert safe_time_of(mx, rows, region()) == SafeTime(None)


def test_safe_time_of_one_check() -> None:
    ttl = check(CheckKind.MX_TTL)
    rows = [observed(ttl, 0, *OLD, ttl=3600), observed(ttl, 5, *OLD)]

    found = safe_time_of(ttl, rows, region(*HOSTS))

    assert found is not None
    assert found.safe_at == NOW + timedelta(minutes=5) + HOUR
    assert safe_time_of(check(CheckKind.MTA_STS), rows, region(*HOSTS)) is None


@pytest.mark.parametrize(("typed", "assumed"), [(None, DAY), (3600, DAY), (86_401, DAY + SECOND)])
@pytest.mark.parametrize("kind", [CheckKind.MX, CheckKind.MX_TTL])
def test_original_ttl_of_the_domain(kind: CheckKind, typed: int | None, assumed: timedelta) -> None:
    of = check(kind, original_mx_ttl_seconds=typed)
    values = NEW if kind is CheckKind.MX else OLD
    margin = 4 * HOUR if kind is CheckKind.MX else timedelta()

    found = safe_time_of(of, [observed(of, 0, *values)], region(*HOSTS))

    assert found is not None
    assert (found.safe_at, found.is_assumed) == (NOW + assumed + margin, True)


def test_check_without_domain_has_the_assumed_ttl() -> None:
    of = Check(kind=CheckKind.MX_TTL.value)

    found = safe_time_of(of, [observed(of, 0, *OLD)], region(*HOSTS))

    assert found is not None
    assert found.safe_at == NOW + DAY


def test_safe_time_counts_from_the_end_of_the_run() -> None:
    of = check(CheckKind.MX_TTL)
    ended = NOW + timedelta(minutes=5, seconds=40)
    rows = [observed(of, 0, *OLD, ttl=3600), observed(of, 5, *OLD, first_run_ended_at=ended)]

    found = safe_time_of(of, rows, region(*HOSTS))

    assert found is not None
    assert found.safe_at == ended + HOUR


def test_silent_server_has_a_finding_only() -> None:
    of = check(CheckKind.MX)
    params = {"servers": ["ns2.test"]}
    silent = observed(of, 0, *NEW, findings=[{"code": "dns.server-unresolved", "params": params}])

    found = safe_time_of(of, [silent], region(*HOSTS))

    assert found is not None
    assert (found.safe_at, found.silent_servers) == (None, ("ns2.test",))


def test_end_of_former_policy() -> None:
    of = check(CheckKind.MTA_STS)
    seen = NOW + timedelta(minutes=5)

    assert policy_safe_time(former_policy(of, 7200)) == SafeTime(
        seen + 2 * HOUR, ttl=7200, seen_until=seen
    )
    assert policy_safe_time(former_policy(of, 7200)[1:]) is None
