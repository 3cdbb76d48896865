"""Values that clients propose: their use in checks, and the consultant's decision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from checks import runs
from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check, Observation
from checks.queries import IS_PROPOSED
from onboarding.cutovers.queries import switched
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.lifecycle.proposals import (
    DiffersFromConfirmed,
    ProposalEntry,
    add_host,
    confirm_host,
    confirm_values,
    enter_values,
    reject_host,
    reject_values,
    state_of,
)
from onboarding.lifecycle.tenants import ProfileEntry, save_profile
from onboarding.models import Cutover, Task, TaskStatus
from onboarding.monitoring.drift_rules import DriftContext, DriftState, evaluate_drift
from onboarding.plans.current_state import TenantState, tenant_states
from onboarding.plans.evaluation import reevaluate
from onboarding.plans.plan_context import PlanContext
from onboarding.portfolio.filters import failing
from onboarding.portfolio.queries import failing_checks
from tenants.models import ActivityLine, Host, Tenant, User
from tenants.proposals import MOST_PROPOSED_HOSTS, proposal_of, rejection_of, values_in_use
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, RunCheck, task_of
from tests.proposals import CODE, DKIM, OWNERSHIP, check_of, domain_of, expected_of, propose

pytestmark = [pytest.mark.django_db]


def status_of(tenant: Tenant, key: str) -> str:
    return task_of(tenant, key).status


def lines(tenant: Tenant) -> list[tuple[str, Any]]:
    found = ActivityLine.objects.filter(tenant=tenant, action__contains="propos").order_by("number")
    return [(line.name, line.params["value"]) for line in found]


# --- Storage and checks


def test_checks_use_proposal_at_once(bare: Tenant, member: User) -> None:
    domain = propose(bare, member)

    assert (domain.ownership_token, domain.ownership_label) == ("", "")
    assert check_of(bare, CheckKind.OWNERSHIP).expectation == {"token": CODE, "label": ""}
    assert check_of(bare, CheckKind.OWNERSHIP).is_proposed
    assert lines(bare) == [("value-proposed", CODE)]


def test_proposed_selector_starts_both_checks(bare: Tenant, member: User) -> None:
    propose(bare, member, DKIM, dkim_selectors="mimecast1")

    message = check_of(bare, CheckKind.MESSAGE)
    request = runs.build_request(message)
    assert check_of(bare, CheckKind.DKIM).expectation == {"selectors": ["mimecast1"]}
    assert [selector.name for selector in request.selectors] == ["mimecast1"]


def test_confirmed_value_is_not_overwritten(tenant: Tenant, member: User) -> None:
    before = domain_of(tenant).ownership_token
    with pytest.raises(DiffersFromConfirmed, match=f"The confirmed value is {before}."):
        propose(tenant, member)

    domain = propose(tenant, member, is_change=True)
    assert domain.ownership_token == before
    assert check_of(tenant, CheckKind.OWNERSHIP).expectation["token"] == before
    assert not check_of(tenant, CheckKind.OWNERSHIP).is_proposed
    assert values_in_use(domain, OWNERSHIP)["ownership_token"] == before


def test_label_is_no_side_door(tenant: Tenant, member: User) -> None:
    """A proposed CNAME next to a confirmed code must not prove the domain."""
    with pytest.raises(DiffersFromConfirmed):
        propose(tenant, member, ownership_label="abc")
    propose(tenant, member, ownership_label="abc", is_change=True)

    assert check_of(tenant, CheckKind.OWNERSHIP).expectation["label"] == ""


def test_confirmed_change_is_new_question(
    tenant: Tenant, member: User, consultant: User, run_check: RunCheck
) -> None:
    run_check(tenant, CheckKind.OWNERSHIP, Verdict.PASS)
    domain = propose(tenant, member, is_change=True)
    assert status_of(tenant, "domain-ownership") == TaskStatus.VERIFIED

    confirm_values(domain, OWNERSHIP, by=consultant, expected=expected_of(domain))

    assert domain_of(tenant).ownership_token == CODE
    assert check_of(tenant, CheckKind.OWNERSHIP).settled_verdict == ""
    assert status_of(tenant, "domain-ownership") != TaskStatus.VERIFIED


def test_same_value_is_no_proposal(tenant: Tenant, member: User) -> None:
    token = domain_of(tenant).ownership_token

    with pytest.raises(OnboardingError, match="confirmed already"):
        propose(tenant, member, ownership_token=token)


def test_empty_entry_withdraws(bare: Tenant, member: User) -> None:
    propose(bare, member)
    domain = propose(bare, member, ownership_token="")

    assert proposal_of(domain, OWNERSHIP) is None
    assert not Check.objects.filter(kind=CheckKind.OWNERSHIP, is_active=True).exists()
    with pytest.raises(OnboardingError, match="Copy the value from your Mimecast console"):
        propose(bare, member, ownership_token="")


def test_consultants_value_is_confirmed(bare: Tenant, member: User, consultant: User) -> None:
    domain = propose(bare, member)
    entry = ProposalEntry(
        {"ownership_token": CODE, "ownership_label": ""}, state_of(domain, OWNERSHIP)
    )
    enter_values(domain, OWNERSHIP, entry, by=consultant, decides=True)

    assert domain_of(bare).ownership_token == CODE
    assert proposal_of(domain_of(bare), OWNERSHIP) is None


def test_profile_confirms_equal_proposal(bare: Tenant, member: User, consultant: User) -> None:
    domain = propose(bare, member)
    domain.ownership_token = CODE
    save_profile(bare, ProfileEntry([domain]), by=consultant)

    assert domain_of(bare).proposals == {}


def test_confirmed_value_ends_rejection(bare: Tenant, member: User, consultant: User) -> None:
    domain = propose(bare, member)
    reject_values(
        domain, OWNERSHIP, by=consultant, expected=expected_of(domain), reason="Another tenant."
    )
    domain = domain_of(bare)
    assert rejection_of(domain, OWNERSHIP) is not None

    entry = ProposalEntry(
        {"ownership_token": "new", "ownership_label": ""}, state_of(domain, OWNERSHIP)
    )
    enter_values(domain, OWNERSHIP, entry, by=consultant, decides=True)

    assert domain_of(bare).proposals == {}


def test_profile_keeps_other_proposal(bare: Tenant, member: User, consultant: User) -> None:
    domain = propose(bare, member)
    domain.ownership_token = "another"
    save_profile(bare, ProfileEntry([domain]), by=consultant)

    assert expected_of(domain_of(bare))
    assert check_of(bare, CheckKind.OWNERSHIP).expectation["token"] == "another"


def test_second_user_sees_conflict(bare: Tenant, member: User) -> None:
    domain = domain_of(bare)
    entry = ProposalEntry(
        {"ownership_token": CODE, "ownership_label": ""}, state_of(domain, OWNERSHIP)
    )
    enter_values(domain, OWNERSHIP, entry, by=member, decides=False)

    with pytest.raises(ConflictingChange):
        enter_values(domain, OWNERSHIP, entry, by=member, decides=False)


def test_decision_covers_shown_value_only(bare: Tenant, member: User, consultant: User) -> None:
    shown = expected_of(propose(bare, member))
    domain = propose(bare, member, ownership_token="changed")

    with pytest.raises(ConflictingChange, match="It is now changed"):
        confirm_values(domain, OWNERSHIP, by=consultant, expected=shown)
    with pytest.raises(ConflictingChange):
        reject_values(domain, OWNERSHIP, by=consultant, expected=shown, reason="No.")
    assert domain_of(bare).ownership_token == ""


def test_decided_proposal_is_refused(bare: Tenant, member: User, consultant: User) -> None:
    domain = propose(bare, member)
    shown = expected_of(domain)
    reject_values(domain, OWNERSHIP, by=consultant, expected=shown, reason="Another tenant.")

    assert proposal_of(domain_of(bare), OWNERSHIP) is None
    assert not Check.objects.filter(kind=CheckKind.OWNERSHIP, is_active=True).exists()
    assert lines(bare)[-1] == ("proposal-rejected", CODE)
    with pytest.raises(OnboardingError, match="decided or withdrawn already"):
        confirm_values(domain, OWNERSHIP, by=consultant, expected=shown)


# --- The wrong tick


def test_proposed_code_verifies_no_task(
    bare: Tenant, member: User, consultant: User, run_check: RunCheck
) -> None:
    domain = propose(bare, member)
    run_check(bare, CheckKind.OWNERSHIP, Verdict.PASS)
    assert check_of(bare, CheckKind.OWNERSHIP).settled_verdict == "pass"
    assert task_of(bare, "domain-ownership").verified_at is None

    confirm_values(domain, OWNERSHIP, by=consultant, expected=expected_of(domain))

    assert status_of(bare, "domain-ownership") == TaskStatus.VERIFIED


def test_confirmation_does_not_replace_decision(
    bare: Tenant, member: User, run_check: RunCheck
) -> None:
    propose(bare, member)
    run_check(bare, CheckKind.OWNERSHIP, Verdict.PASS)
    evidence = PlanContext.of(bare).evidence(task_of(bare, "domain-ownership"))

    assert (evidence.is_verified, evidence.is_unverifiable) == (False, False)


def test_message_proof_follows_confirmed_selector(
    bare: Tenant, member: User, consultant: User, run_check: RunCheck
) -> None:
    """A message signed by another system's selector proves nothing about Mimecast's."""
    domain = propose(bare, member, DKIM, dkim_selectors="selector1")
    run_check(bare, CheckKind.MESSAGE, Verdict.PASS)
    domain.dkim_selectors = "mimecast1"
    save_profile(bare, ProfileEntry([domain]), by=consultant)

    message = check_of(bare, CheckKind.MESSAGE)
    assert (message.expectation, message.settled_verdict) == ({}, "")


def test_message_proof_survives_confirmation(
    bare: Tenant, member: User, consultant: User, run_check: RunCheck
) -> None:
    domain = propose(bare, member, DKIM, dkim_selectors="mimecast1")
    run_check(bare, CheckKind.MESSAGE, Verdict.PASS)
    assert check_of(bare, CheckKind.MESSAGE).is_proposed

    confirm_values(domain, DKIM, by=consultant, expected=expected_of(domain, DKIM))

    message = check_of(bare, CheckKind.MESSAGE)
    assert (message.expectation, message.settled_verdict) == ({}, "pass")
    assert not message.is_proposed


def test_proposed_selector_switches_nothing(
    bare: Tenant, member: User, consultant: User, run_check: RunCheck
) -> None:
    domain = propose(bare, member, DKIM, dkim_selectors="mimecast1")
    cutover_of(bare, "outbound", timezone.now())
    task = Task.objects.get(plan__tenant=bare, role="switches-outbound")
    task.domain_progress.create(
        domain=domain, client_confirmed_at=timezone.now() - timedelta(hours=1)
    )
    run_check(bare, CheckKind.MESSAGE, Verdict.PASS)
    Check.objects.filter(kind=CheckKind.MESSAGE).update(signed_at=timezone.now())
    assert not switched(Cutover.objects.all()).exists()

    confirm_values(domain, DKIM, by=consultant, expected=expected_of(domain, DKIM))

    assert switched(Cutover.objects.all()).exists()


def test_lists_do_not_count_proposals(
    bare: Tenant, member: User, consultant: User, run_check: RunCheck
) -> None:
    domain = propose(bare, member)
    run_check(bare, CheckKind.OWNERSHIP, Verdict.PASS)
    proposed = counted(bare).verified

    confirm_values(domain, OWNERSHIP, by=consultant, expected=expected_of(domain))

    assert (proposed, counted(bare).verified) == (0, 1)


def counted(tenant: Tenant) -> TenantState:
    tenants = list(Tenant.objects.filter(pk=tenant.pk).select_related("plan"))
    return tenant_states(tenants, now=timezone.now())[tenant.pk]


def test_failing_proposal_is_no_alarm(bare: Tenant, member: User) -> None:
    propose(bare, member)
    Check.objects.filter(kind=CheckKind.OWNERSHIP).update(
        is_misconfigured=True, settled_verdict="fail"
    )
    tenants = Tenant.objects.filter(pk=bare.pk)
    now = timezone.now()
    assert counted(bare).failing == 0
    assert not failing_checks([bare], now=now).exists()
    assert not tenants.filter(failing(now)).exists()

    tenants.get().domains.update(ownership_token=CODE)

    assert counted(bare).failing == 1
    assert failing_checks([bare], now=now).exists()
    assert tenants.filter(failing(now)).exists()


def test_proposal_opens_no_drift(bare: Tenant, member: User) -> None:
    propose(bare, member, DKIM, dkim_selectors="mimecast1")
    check = check_of(bare, CheckKind.DKIM)
    now = timezone.now()
    check.settled_verdict, check.settled_at, check.first_verified_at = "fail", now, now
    check.latest = Observation(verdict="fail", unanimous=True, findings=[])
    context = DriftContext(now - timedelta(days=1), now, timedelta(days=7))
    assert evaluate_drift(check, context) is DriftState.UNKNOWN

    assert check.domain is not None
    check.domain.dkim_selectors = "mimecast1"

    assert evaluate_drift(check, context) is DriftState.DRIFTED


def test_failing_proposed_host_regresses_nothing(
    make_tenant: MakeTenant, member: User, consultant: User, run_check: RunCheck
) -> None:
    tenant = make_tenant("Own", domains=(("own.test", "primary"),), platform="on_premises")
    add_host(tenant, name="a.own.test", port=25, by=consultant, decides=True)
    run_check(tenant, CheckKind.SMTP, Verdict.PASS)
    task = Task.objects.get(plan__tenant=tenant, role="verifies:smtp")
    assert task.status == TaskStatus.VERIFIED

    host = add_host(tenant, name="b.own.test", port=25, by=member, decides=False)
    Check.objects.filter(host=host).update(settled_verdict="fail")
    reevaluate(tenant.plan)
    task.refresh_from_db()
    assert (task.status == TaskStatus.VERIFIED, task.regressed_at) == (False, None)

    reject_host(host, by=consultant, reason="A test system.")

    task.refresh_from_db()
    assert task.status == TaskStatus.VERIFIED


def test_query_agrees_with_property(bare: Tenant, member: User, make_tenant: MakeTenant) -> None:
    other = make_tenant("Other", domains=(("other.test", "primary"),), platform="on_premises")
    propose(bare, member)
    add_host(other, name="mail.other.test", port=25, by=member, decides=False)
    checks = Check.objects.filter(is_active=True)

    by_query = {check.pk for check in checks.filter(IS_PROPOSED)}
    assert by_query == {check.pk for check in checks if check.is_proposed}
    assert by_query


# --- Hosts


def test_proposed_host_verifies_no_task(
    make_tenant: MakeTenant, member: User, consultant: User, run_check: RunCheck
) -> None:
    tenant = make_tenant("Own", domains=(("own.test", "primary"),), platform="on_premises")
    host = add_host(tenant, name="mail.own.test", port=25, by=member, decides=False)
    run_check(tenant, CheckKind.SMTP, Verdict.PASS)
    task = Task.objects.get(plan__tenant=tenant, role="verifies:smtp")
    assert task.verified_at is None

    confirm_host(host, by=consultant, with_consent=False)

    task.refresh_from_db()
    assert task.verified_at is not None


def test_confirmation_proves_no_proposed_host(
    make_tenant: MakeTenant, member: User, consultant: User, run_check: RunCheck
) -> None:
    """A port that is closed to Gangway is unverifiable only for a host that is the client's."""
    tenant = make_tenant("Own", domains=(("own.test", "primary"),), platform="on_premises")
    host = add_host(tenant, name="mail.own.test", port=25, by=member, decides=False)
    run_check(tenant, CheckKind.SMTP, Verdict.UNKNOWN, code="smtp.unreachable-from-here")
    task = Task.objects.get(plan__tenant=tenant, role="verifies:smtp")
    assert not PlanContext.of(tenant).evidence(task).is_unverifiable

    confirm_host(host, by=consultant, with_consent=False)

    assert PlanContext.of(tenant).evidence(task).is_unverifiable


def test_rejected_host_is_removed(attacked: Tenant, member: User, consultant: User) -> None:
    host = Host.objects.get(tenant=attacked)
    reject_host(host, by=consultant, reason="A test system.")

    assert not attacked.hosts.exists()
    assert not Check.objects.filter(host=host, is_active=True).exists()
    with pytest.raises(OnboardingError, match="decided already"):
        confirm_host(host, by=consultant, with_consent=True)
    again = add_host(attacked, name=host.name, port=25, by=member, decides=False)
    assert (again.pk, again.rejection_reason, again.is_proposed) == (host.pk, "", True)


def test_removed_host_returns_without_consent(
    attacked: Tenant, member: User, consultant: User
) -> None:
    host = Host.objects.get(tenant=attacked)
    confirm_host(host, by=consultant, with_consent=True)
    Host.objects.filter(pk=host.pk).update(removed_at=timezone.now(), removed_by=consultant)

    again = add_host(attacked, name=host.name, port=25, by=member, decides=False)

    assert (again.is_proposed, again.consented_at, again.confirmed_at) == (True, None, None)


def test_known_host_is_refused(attacked: Tenant, member: User) -> None:
    with pytest.raises(OnboardingError, match="is in the list already"):
        add_host(attacked, name="mail.victim.test", port=25, by=member, decides=False)


@pytest.mark.slow
def test_proposed_hosts_are_limited(attacked: Tenant, member: User) -> None:
    for number in range(MOST_PROPOSED_HOSTS - 1):
        add_host(attacked, name=f"n{number}.victim.test", port=25, by=member, decides=False)

    with pytest.raises(OnboardingError, match="20 proposed hosts wait"):
        add_host(attacked, name="more.victim.test", port=25, by=member, decides=False)
