"""The closing obligations: tasks without a decision, residual risks, and their acceptance. Pure."""

from __future__ import annotations

import zoneinfo
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks.engine.outcomes import Verdict
from onboarding.models import (
    AcceptedResidualRisk,
    ManualStatus,
    ResidualRiskKind,
    Responsibility,
    Task,
    TaskRole,
    TaskStatus,
)
from onboarding.plans.closing_obligations import (
    ClosingFacts,
    InboundDomain,
    ResidualRisk,
    closing_obligations,
    covers,
    residual_risks,
)
from onboarding.plans.dependencies import open_dependencies_of, undecided_tasks
from onboarding.plans.transitions import CONFIRM, STATUS_CHANGES, UNDO, Actor, TransitionContext
from onboarding.plans.transitions import why_not as refusal_of
from onboarding.plans.waiting_on import side_to_act

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
# Every state is over: caches, lockdown and TTL.
SWITCHED = InboundDomain("a.test", NOW - HOUR, "", 3600, 3600)
CLIENT = Actor("client", may_manage_plan=False)
CONSULTANT = Actor("mimecast", may_manage_plan=True)


def task(**values: Any) -> Task:
    defaults = {"key": "t", "title": "Task", "responsibility": Responsibility.CLIENT}
    return Task(**defaults | values)


LOCKDOWN = {"key": "lock", "role": TaskRole.LOCKDOWN, "title": "Lockdown", "is_optional": True}
CLOSURE = {"key": "end", "role": TaskRole.CLOSURE, "responsibility": Responsibility.BOTH}


def facts(*tasks: Task, **values: Any) -> ClosingFacts:
    zone = zoneinfo.ZoneInfo("America/New_York")
    made = ClosingFacts(list(tasks), [SWITCHED], [("mail.a.test:25", Verdict.PASS)], zone, NOW)
    return replace(made, **values)


def found(given: ClosingFacts) -> list[tuple[str, str, str]]:
    return [(risk.kind.value, risk.subject, risk.state) for risk in residual_risks(given)]


@pytest.mark.parametrize(
    ("status", "is_decided"),
    [
        (TaskStatus.DONE, True),
        (TaskStatus.VERIFIED, True),
        (TaskStatus.DECLINED, True),
        (TaskStatus.ACCEPTED_RISK, True),
        (TaskStatus.NOT_APPLICABLE, True),
        (TaskStatus.TODO, False),
        (TaskStatus.IN_PROGRESS, False),
        (TaskStatus.WAITING, False),
        (TaskStatus.BLOCKED, False),
        (TaskStatus.PARTLY_CONFIRMED, False),
        (TaskStatus.AWAITING_VERIFICATION, False),
        (TaskStatus.REGRESSED, False),
    ],
)
@pytest.mark.parametrize("is_optional", [True, False])
def test_only_a_decision_settles_a_task(
    status: TaskStatus, is_decided: bool, is_optional: bool
) -> None:
    each = task(status=status, is_optional=is_optional)

    assert undecided_tasks([each]) == ([] if is_decided else [each])


@pytest.mark.parametrize(
    "values",
    [
        {"applies": False},
        {"is_group": True},
        {"role": TaskRole.CLOSURE},
        {"wait_after": "other"},
    ],
)
def test_some_tasks_need_no_decision(values: dict[str, Any]) -> None:
    assert undecided_tasks([task(**values)]) == []


def test_closing_task_waits_for_every_undecided_task() -> None:
    optional = task(key="optional", is_optional=True)
    custom = task(key="custom", is_custom=True)
    closure = task(**CLOSURE)
    by_key = {each.key: each for each in (optional, custom, closure, task(status=TaskStatus.DONE))}

    assert open_dependencies_of(closure, by_key) == [optional, custom]


def test_closing_task_waits_on_no_side_before_it_is_the_last() -> None:
    optional, closure = task(key="optional", is_optional=True), task(**CLOSURE)
    by_key = {each.key: each for each in (optional, closure)}
    assert side_to_act(closure, by_key, {}) == ""

    optional.status = TaskStatus.DECLINED
    assert side_to_act(closure, by_key, {}) == "both"


def test_optional_task_waits_once_only_decisions_are_left() -> None:
    optional, required = task(key="optional", is_optional=True), task(key="required")
    by_key = {each.key: each for each in (optional, required, task(**CLOSURE))}
    assert side_to_act(optional, by_key, {}) == ""

    required.status = TaskStatus.DONE
    assert side_to_act(optional, by_key, {}) == "client"


def test_nothing_is_left_after_the_last_wait() -> None:
    assert found(facts(task(**LOCKDOWN, status=TaskStatus.DONE))) == []


def test_running_wait_is_a_risk_with_its_date() -> None:
    days = task(title="Outbound days", wait_after="cutover", wait_ends_at=NOW + 24 * HOUR)

    (risk,) = residual_risks(facts(days))

    assert (risk.kind, risk.subject, risk.ends_at) == (
        "wait",
        "Outbound days",
        NOW + 24 * HOUR,
    )
    assert risk.sentence == ("The wait of “Outbound days” ends Wed 2 Dec 2026, 07:00 EST.")


@pytest.mark.parametrize(
    ("values", "states"),
    [
        ({"wait_ends_at": None}, ["not-started"]),
        ({"wait_ends_at": NOW}, []),
        ({"wait_ends_at": NOW + HOUR, "status": TaskStatus.ACCEPTED_RISK}, []),
        ({"wait_ends_at": NOW + HOUR, "applies": False}, []),
    ],
)
def test_wait_is_a_risk_until_its_end(values: dict[str, Any], states: list[str]) -> None:
    days = task(title="Days", wait_after="cutover", **values)

    assert [state for _, _, state in found(facts(days))] == states


@pytest.mark.parametrize(
    ("since_expiry", "is_risk"),
    [(-timedelta(seconds=1), True), (timedelta(), False), (HOUR, False)],
)
def test_old_caches_are_a_risk_until_they_expire(since_expiry: timedelta, is_risk: bool) -> None:
    """The safe time of the lockdown is four hours after the last cache."""
    domain = replace(SWITCHED, safe_at=NOW - since_expiry + 4 * HOUR)

    risks = residual_risks(facts(domains=[domain]))

    assert [risk.kind.value for risk in risks] == (["last-cache"] if is_risk else [])
    assert all(risk.ends_at == NOW - since_expiry for risk in risks)


def test_old_cache_sentence_is_in_the_zone_of_the_tenant() -> None:
    domain = replace(SWITCHED, safe_at=NOW + 6 * HOUR)

    assert residual_risks(facts(domains=[domain]))[0].sentence == (
        "Until Tue 1 Dec 2026, 09:00 EST, caches may direct mail for a.test to the old hosts."
    )


def test_unknown_cache_is_a_risk_that_gangway_cannot_verify() -> None:
    domain = replace(SWITCHED, safe_at=None, unknown_reason="The last check is too old to count.")

    cache, lockdown = residual_risks(
        facts(task(**LOCKDOWN, status=TaskStatus.DONE), domains=[domain])
    )

    assert (cache.kind, cache.state, lockdown.kind, lockdown.state) == (
        "last-cache",
        "unknown",
        "safe-lockdown",
        "unknown",
    )
    assert cache.sentence == (
        "Gangway cannot verify when caches drop the old MX records of a.test."
        " The last check is too old to count."
    )
    assert "Gangway cannot verify" in lockdown.sentence


@pytest.mark.parametrize(
    ("status", "is_risk"),
    [
        (TaskStatus.DONE, True),
        (TaskStatus.TODO, True),
        (TaskStatus.DECLINED, False),
        (TaskStatus.ACCEPTED_RISK, False),
        (TaskStatus.NOT_APPLICABLE, False),
    ],
)
def test_safe_lockdown_is_a_risk_of_a_lockdown(status: TaskStatus, is_risk: bool) -> None:
    later = replace(SWITCHED, name="b.test", safe_at=NOW + 2 * HOUR)

    risks = residual_risks(facts(task(**LOCKDOWN, status=status), domains=[SWITCHED, later]))

    assert [risk.ends_at for risk in risks] == ([NOW + 2 * HOUR] if is_risk else [])
    assert all("safe from Tue 1 Dec 2026, 09:00 EST" in risk.sentence for risk in risks)


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.PASS, None),
        (Verdict.WARN, None),
        (Verdict.NOT_APPLICABLE, None),
        (Verdict.FAIL, "open"),
        (Verdict.UNKNOWN, "unknown"),
    ],
)
@pytest.mark.parametrize("status", [TaskStatus.DONE, TaskStatus.DECLINED])
def test_lockdown_is_a_risk_until_a_check_verifies_it(
    verdict: Verdict, state: str | None, status: TaskStatus
) -> None:
    given = facts(task(**LOCKDOWN, status=status), locked_down=[("mail.a.test:25", verdict)])

    assert found(given) == ([("lockdown", "mail.a.test:25", state)] if state else [])


def test_lockdown_without_host_cannot_be_verified() -> None:
    given = facts(task(**LOCKDOWN, status=TaskStatus.DONE), locked_down=[])

    assert found(given) == [("lockdown", "", "unknown")]
    assert residual_risks(given)[0].sentence.startswith("Gangway cannot verify the lockdown.")


@pytest.mark.parametrize("status", [TaskStatus.ACCEPTED_RISK, TaskStatus.NOT_APPLICABLE])
def test_decided_risk_of_the_lockdown_is_not_asked_again(status: TaskStatus) -> None:
    given = facts(task(**LOCKDOWN, status=status), locked_down=[("mail.a.test:25", Verdict.FAIL)])

    assert found(given) == []


@pytest.mark.parametrize(
    ("ttl_now", "state"), [(3600, None), (86_400, None), (3599, "low"), (None, "unknown")]
)
def test_low_ttl_is_a_risk(ttl_now: int | None, state: str | None) -> None:
    given = facts(domains=[replace(SWITCHED, ttl_now=ttl_now)])

    assert found(given) == ([("mx-ttl", "a.test", state)] if state else [])


@pytest.mark.parametrize(
    ("status", "has_switched", "is_risk"),
    [
        (TaskStatus.ACCEPTED_RISK, False, False),
        (TaskStatus.ACCEPTED_RISK, True, True),
        (TaskStatus.DONE, False, True),
    ],
)
def test_low_ttl_is_no_risk_without_a_switch(
    status: TaskStatus, has_switched: bool, is_risk: bool
) -> None:
    inbound = task(role=TaskRole.SWITCHES_INBOUND, status=status)
    domain = replace(SWITCHED, ttl_now=300, has_switched=has_switched)

    given = facts(inbound, domains=[domain])

    assert found(given) == ([("mx-ttl", "a.test", "low")] if is_risk else [])


def test_low_ttl_names_both_values() -> None:
    (risk,) = residual_risks(facts(domains=[replace(SWITCHED, ttl_now=300)]))

    assert risk.sentence == "The MX records of a.test have a TTL of 300 s. Raise it to 3600 s."


def test_every_risk_of_every_subject_is_listed() -> None:
    """Two subjects of each kind: the first one hides no later one."""
    unknown = InboundDomain("b.test", None, "No check of them exists.", None, 3600)
    cached = InboundDomain("c.test", NOW + 9 * HOUR, "", 300, 7200)
    given = facts(
        task(status=TaskStatus.DONE),
        task(title="First wait", wait_after="x"),
        task(title="Over", wait_after="x", wait_ends_at=NOW),
        task(title="Second wait", wait_after="x", wait_ends_at=NOW + HOUR),
        task(**LOCKDOWN, status=TaskStatus.DONE),
        domains=[unknown, SWITCHED, cached],
        locked_down=[("m1:25", Verdict.FAIL), ("m2:25", Verdict.PASS), ("m3:25", Verdict.UNKNOWN)],
    )

    risks = residual_risks(given)

    assert [(r.kind.value, r.subject, r.state, r.ends_at) for r in risks] == [
        ("wait", "First wait", "not-started", None),
        ("wait", "Second wait", "until-date", NOW + HOUR),
        ("last-cache", "b.test", "unknown", None),
        ("last-cache", "c.test", "until-date", NOW + 5 * HOUR),
        ("safe-lockdown", "", "unknown", None),
        ("lockdown", "m1:25", "open", None),
        ("lockdown", "m3:25", "unknown", None),
        ("mx-ttl", "b.test", "unknown", None),
        ("mx-ttl", "c.test", "low", None),
    ]
    assert [risk.sentence for risk in risks] == [
        "The wait of “First wait” has not started.",
        "The wait of “Second wait” ends Tue 1 Dec 2026, 08:00 EST.",
        "Gangway cannot verify when caches drop the old MX records of b.test."
        " No check of them exists.",
        "Until Tue 1 Dec 2026, 12:00 EST, caches may direct mail for c.test to the old hosts.",
        "Gangway cannot verify from when the lockdown is safe. The end of the old MX records of"
        " b.test is unknown.",
        "m1:25 accepts connections from outside Mimecast. Mail can bypass Mimecast.",
        "Gangway cannot verify the lockdown of m3:25.",
        "Gangway cannot verify the TTL of the MX records of b.test at every server.",
        "The MX records of c.test have a TTL of 300 s. Raise it to 7200 s.",
    ]
    assert len({risk.sentence for risk in risks if risk.is_unknown}) == 4


def test_risk_is_named_with_its_subject() -> None:
    assert RISK.name == "Old MX records in caches: a.test"
    assert replace(RISK, subject="").name == "Old MX records in caches"


def test_known_safe_lockdown_is_of_the_whole_tenant() -> None:
    lockdown = task(**LOCKDOWN, status=TaskStatus.DONE)
    ahead = replace(SWITCHED, safe_at=NOW + HOUR)

    assert found(facts(lockdown, domains=[ahead])) == [("safe-lockdown", "", "until-date")]
    assert found(facts(lockdown, domains=[replace(SWITCHED, safe_at=NOW)])) == []
    assert found(facts(lockdown, domains=[])) == []


def test_obligations_have_the_undecided_tasks() -> None:
    undecided = task(key="open")

    assert closing_obligations(facts(undecided, task(**CLOSURE))).undecided == [undecided]


# --- Acceptances


def acceptance(risk: ResidualRisk, **values: Any) -> AcceptedResidualRisk:
    names = ("kind", "subject", "state", "ends_at", "sentence")
    fields = {name: getattr(risk, name) for name in names}
    return AcceptedResidualRisk(**fields | values)


RISK = residual_risks(facts(domains=[replace(SWITCHED, safe_at=NOW + 9 * HOUR)]))[0]


@pytest.mark.parametrize(
    ("change", "is_covered"),
    [
        ({}, True),
        ({"ends_at": NOW + 5 * HOUR + timedelta(seconds=1)}, True),
        # The risk ends later than the accepted one.
        ({"ends_at": NOW + 5 * HOUR - timedelta(seconds=1)}, False),
        ({"ends_at": None}, False),
        ({"state": "unknown"}, False),
        ({"subject": "b.test"}, False),
        ({"kind": "mx-ttl"}, False),
    ],
)
def test_acceptance_covers_the_same_risk_that_ends_no_later(
    change: dict[str, Any], is_covered: bool
) -> None:
    assert covers(acceptance(RISK, **change), RISK) is is_covered


def test_acceptance_with_a_date_covers_no_risk_without_one() -> None:
    unknown = replace(RISK, state="unknown", ends_at=None)

    assert covers(acceptance(unknown), unknown)
    assert not covers(acceptance(unknown, ends_at=NOW), unknown)


def test_acceptance_covers_no_other_cause() -> None:
    unknown = replace(RISK, state="unknown", ends_at=None, sentence="No check of them exists.")

    assert not covers(acceptance(unknown, sentence="The last check is too old."), unknown)
    # The date of a running wait is part of its sentence: a nearer end is covered.
    assert covers(acceptance(RISK, sentence="Until Wed."), RISK)


@pytest.mark.parametrize(
    ("status", "refused"),
    [(TaskStatus.TODO, ["mx-ttl", "lockdown"]), (TaskStatus.ACCEPTED_RISK, ["lockdown"])],
)
def test_risk_is_accepted_after_the_decision_on_its_task(
    status: TaskStatus, refused: list[str]
) -> None:
    given = facts(
        task(key="mx", title="MX", role=TaskRole.SWITCHES_INBOUND, status=status),
        task(**LOCKDOWN, status=TaskStatus.TODO),
        domains=[replace(SWITCHED, ttl_now=300)],
        locked_down=[("mail.a.test:25", Verdict.FAIL)],
    )

    early = [risk for risk in closing_obligations(given).risks if risk.too_early]

    assert sorted(risk.kind.value for risk in early) == sorted(refused)
    assert early[0].too_early == (
        "Decide on “Lockdown” first: until then the cause of this risk can change."
    )


def test_wait_is_accepted_after_the_decision_on_its_task() -> None:
    before = task(key="out", title="Outbound", status=TaskStatus.TODO)
    wait = task(key="days", title="Days", wait_after="out")

    (early,) = closing_obligations(facts(before, wait)).risks
    before.status = TaskStatus.ACCEPTED_RISK
    (risk,) = closing_obligations(facts(before, wait)).risks

    assert (bool(early.too_early), risk.too_early) == (True, "")


def test_each_risk_needs_its_own_acceptance() -> None:
    given = facts(domains=[replace(SWITCHED, safe_at=NOW + 9 * HOUR, ttl_now=300)])
    cache, ttl = residual_risks(given)

    obligations = closing_obligations(given, [acceptance(cache)])

    assert [risk.is_accepted for risk in obligations.risks] == [True, False]
    assert obligations.open_risks == [ttl]
    assert closing_obligations(given, [acceptance(cache), acceptance(ttl)]).refusal == ""


def test_later_date_invalidates_an_acceptance() -> None:
    accepted = acceptance(RISK)
    later = facts(domains=[replace(SWITCHED, safe_at=NOW + 10 * HOUR)])

    assert not closing_obligations(later, [accepted]).risks[0].is_accepted


# --- The closing task


def refusal(actor: Actor = CLIENT, **values: Any) -> str:
    return refusal_of(task(**CLOSURE), CONFIRM, actor, TransitionContext(**values))


@pytest.mark.parametrize("actor", [CLIENT, CONSULTANT])
def test_sign_off_names_tasks_without_a_decision(actor: Actor) -> None:
    undecided = [task(title=title) for title in "ABCDE"]

    assert refusal(actor, open_dependencies=undecided) == (
        "Still open: “A”, “B”, “C” and 2 more. Complete or decline each task, accept its risk, or"
        " mark it as not applicable."
    )


@pytest.mark.parametrize(
    ("titles", "named"),
    [("A", "“A”."), ("ABC", "“A”, “B”, “C”."), ("ABCD", "“A”, “B”, “C” and 1 more.")],
)
def test_sign_off_counts_the_tasks_it_does_not_name(titles: str, named: str) -> None:
    undecided = [task(title=title) for title in titles]

    assert refusal(open_dependencies=undecided).startswith(f"Still open: {named} Complete")


@pytest.mark.parametrize("actor", [CLIENT, CONSULTANT])
def test_sign_off_names_open_residual_risks(actor: Actor) -> None:
    accepted = replace(RISK, acceptance=acceptance(RISK))

    assert refusal(actor, residual_risks=[RISK]) == (
        "Residual risks: Old MX records in caches: a.test. A consultant accepts each risk with a"
        " reason, or you wait until it is over."
    )
    assert refusal(actor, residual_risks=[accepted]) == ""


@pytest.mark.parametrize(
    ("remedies", "ending"),
    [
        (["Raise it."], "Raise it. Otherwise a consultant accepts each risk with a reason."),
        (["", ""], "A consultant accepts each risk with a reason."),
        (
            ["Raise it.", "Close it.", "Enter it."],
            "Raise it. Close it. And 1 more action. Otherwise a consultant accepts each risk with a"
            " reason.",
        ),
    ],
)
def test_sign_off_names_the_actions_that_end_a_risk(remedies: list[str], ending: str) -> None:
    """No time ends a low TTL or an open host, so the sentence must not advise to wait."""
    kind = ResidualRiskKind.MX_TTL
    risks = [ResidualRisk(kind, "a.test", "low", "Low.", remedy=remedy) for remedy in remedies]

    assert refusal(residual_risks=risks).endswith(f"a.test. {ending}")


@pytest.mark.parametrize(
    ("status", "has_remedy"),
    [(TaskStatus.VERIFIED, True), (TaskStatus.DONE, True), (TaskStatus.DECLINED, False)],
)
def test_no_remedy_continues_work_that_was_left_out(
    status: TaskStatus, *, has_remedy: bool
) -> None:
    domain = InboundDomain("a.test", None, "No.", None, 3600)
    tasks = [task(role=role, status=status) for role in ("switches-inbound", "lockdown")]
    given = facts(*tasks, domains=[domain], locked_down=[])

    offered = {risk.kind: bool(risk.remedy) for risk in residual_risks(given)}

    assert set(offered.values()) == {has_remedy}
    assert ResidualRiskKind.LAST_CACHE in offered


def test_message_against_a_complete_task_is_a_residual_risk() -> None:
    (risk,) = residual_risks(facts(contradicted=[("a.test", "Delivery Test")]))

    assert (risk.kind, risk.subject, risk.ends_by_time) == (
        ResidualRiskKind.CONTRADICTION,
        "a.test",
        False,
    )
    assert risk.sentence == "The newest received message of a.test contradicts “Delivery Test”."


def test_undo_restores_no_signature_over_an_open_risk() -> None:
    """Withdrawing a signature and undoing the withdrawal must not bypass the obligations."""
    before = dict.fromkeys(["mimecast_confirmed_at", "mimecast_confirmed_by_id"])
    before |= {"client_confirmed_at": NOW.isoformat(), "client_confirmed_by_id": 1}
    at = timezone.now().isoformat()
    signed = task(**CLOSURE, undo={"by": 1, "at": at, "task": before, "parts": {}})
    by = replace(CLIENT, user_id=1)

    refused = refusal_of(signed, UNDO, by, TransitionContext(residual_risks=[RISK]))

    assert refused.startswith("Residual risks:")
    assert refusal_of(signed, UNDO, by, TransitionContext()) == ""


@pytest.mark.parametrize("key", ["accept-risk", "mark-not-needed"])
def test_no_manual_status_replaces_the_sign_off(key: str) -> None:
    refused = refusal_of(task(**CLOSURE), STATUS_CHANGES[key], CONSULTANT)

    assert refused == "Both sides sign off the implementation. Nothing replaces their sign-off."
    assert not refusal_of(task(manual_status=ManualStatus.NONE), STATUS_CHANGES[key], CONSULTANT)
