"""Residual risks of the closing: loaded from checks, accepted one by one, and shown on its page."""

from __future__ import annotations

import importlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db.utils import IntegrityError
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Outcome, Verdict
from checks.models import Check
from checks.services import record_run
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.lifecycle.closing import reopen_tenant, sign_off_implementation
from onboarding.lifecycle.residual_risks import (
    accept_residual_risk,
    former_acceptances,
    withdraw_acceptance,
)
from onboarding.models import AcceptedResidualRisk, Task
from onboarding.plans.closing_obligations import ResidualRisk
from onboarding.plans.rollup import recompute_rollup
from tenants.models import ActivityLine, Tenant, User
from tests.clock import Clock, at, frozen
from tests.closings import (
    accept_all_risks,
    closing_task_of,
    decide_all,
    obligations_now,
    prepare_closing,
    sign_off_both,
)
from tests.cutovers import cutover_of
from tests.factories import HostRow, MakeTenant, SignIn, task_of
from tests.markup import texts

DOMAIN = "northwind.test"


@pytest.fixture
def clock() -> Any:
    with frozen(at("Mon 08:00")) as clock:
        yield clock


def run_mx(tenant: Tenant, hosts: list[str], ttl: int, when: datetime, verdict: Verdict) -> None:
    """Record one run of the MX check and one of its TTL, with the answer of a single server."""
    server = {
        "name": "ns1.northwind.test",
        "address": "192.0.2.53",
        "status": "records",
        "values": [f"10 {host}" for host in hosts],
        "ttl": ttl,
    }
    for kind in (CheckKind.MX, CheckKind.MX_TTL):
        check = Check.objects.get(tenant=tenant, kind=kind)
        outcome = Outcome(kind, DOMAIN, verdict, (), {"servers": [server]}, unanimous=True)
        record_run(check.pk, outcome, expectation=check.expectation, at=when)


@pytest.fixture
def switched(tenant: Tenant, clock: Clock) -> Tenant:
    """Its MX switched on Monday at 20:00 UTC. The old answer had a TTL of one day."""
    cutover_of(tenant, "inbound", at("Mon 19:30"))
    clock.move_to(at("Mon 20:00"))
    run_mx(tenant, ["mail.northwind.test"], 86_400, at("Mon 12:00"), Verdict.FAIL)
    run_mx(tenant, list(tenant.region_values.mx), 300, at("Mon 20:00"), Verdict.PASS)
    decide_all(tenant)
    return tenant


def states(tenant: Tenant) -> dict[str, str]:
    return {risk.kind.value: risk.state for risk in obligations_now(tenant).risks}


def risk_of(tenant: Tenant, kind: str) -> ResidualRisk:
    return next(risk for risk in obligations_now(tenant).risks if risk.kind == kind)


def accept(tenant: Tenant, kind: str, by: User, reason: str = "Next week.") -> AcceptedResidualRisk:
    risk = risk_of(tenant, kind)
    return accept_residual_risk(
        tenant, kind, risk.subject, expected=risk.sentence, reason=reason, by=by
    )


def test_unfinished_waits_are_listed_after_the_switch(switched: Tenant) -> None:
    risks = {risk.kind.value: risk for risk in obligations_now(switched).risks}

    assert states(switched) == {"last-cache": "until-date", "lockdown": "unknown", "mx-ttl": "low"}
    # The old answer was last given out before 20:00, and caches store it for one day.
    assert risks["last-cache"].ends_at == at("Tue 20:00")
    assert "300 s. Raise it to 86400 s." in risks["mx-ttl"].sentence


def test_waits_end_by_time_and_by_checks(switched: Tenant, clock: Clock) -> None:
    clock.move_to(at("Tue 20:00"))
    run_mx(switched, list(switched.region_values.mx), 86_400, at("Tue 20:00"), Verdict.PASS)

    assert states(switched) == {"lockdown": "unknown"}


def test_confirmed_lockdown_has_a_safe_time(switched: Tenant, clock: Clock) -> None:
    Task.objects.filter(plan=switched.plan, role="lockdown").update(
        manual_status="", client_confirmed_at=timezone.now()
    )
    recompute_rollup(switched.plan)

    assert risk_of(switched, "safe-lockdown").ends_at == at("Wed 00:00")
    clock.move_to(at("Wed 00:00"))
    run_mx(switched, list(switched.region_values.mx), 300, at("Wed 00:00"), Verdict.PASS)
    assert "safe-lockdown" not in states(switched)


def test_old_run_makes_every_fact_unknown(switched: Tenant, clock: Clock) -> None:
    clock.move_to(at("Wed 12:00"))

    assert states(switched) == {"last-cache": "unknown", "lockdown": "unknown", "mx-ttl": "unknown"}
    assert "too old to count" in risk_of(switched, "last-cache").sentence


def test_domain_that_never_switched_is_unknown(tenant: Tenant) -> None:
    assert states(tenant)["last-cache"] == "unknown"
    assert "Gangway cannot verify" in risk_of(tenant, "last-cache").sentence


def test_lockdown_check_decides_about_each_host(make_tenant: MakeTenant, settings: Any) -> None:
    settings.CHECKS_CONTROL_TARGET = "control.test"
    hosts = tuple(HostRow("delivery", f"mail{n}.northwind.test", 25) for n in (1, 2, 3))
    tenant = make_tenant(platform="on_premises", hosts=hosts)
    verdicts = {"mail1": Verdict.PASS, "mail2": Verdict.FAIL}
    for name, verdict in verdicts.items():
        check = Check.objects.get(
            tenant=tenant, kind=CheckKind.LOCKDOWN, host__name=f"{name}.northwind.test"
        )
        for minute in (0, 10, 20):
            record_run(
                check.pk,
                Outcome(CheckKind.LOCKDOWN, name, verdict, (), {}, unanimous=True),
                expectation=check.expectation,
                at=timezone.now() - timedelta(minutes=30 - minute),
            )

    found = {r.subject: r.state for r in obligations_now(tenant).risks if r.kind == "lockdown"}

    assert found == {"mail2.northwind.test:25": "open", "mail3.northwind.test:25": "unknown"}


def test_sign_off_waits_for_each_acceptance(
    switched: Tenant, owner: User, consultant: User
) -> None:
    accept(switched, "last-cache", consultant)
    accept(switched, "lockdown", consultant)
    with pytest.raises(OnboardingError, match="Residual risks: MX TTL not raised again"):
        sign_off_implementation(
            closing_task_of(switched), by=owner, side="client", reason="All done."
        )

    accept(switched, "mx-ttl", consultant)
    sign_off_both(switched, owner, consultant)

    switched.refresh_from_db()
    assert switched.completed_at is not None


def test_second_signature_needs_the_acceptances_too(
    switched: Tenant, owner: User, consultant: User
) -> None:
    accept_all_risks(switched, consultant)
    sign_off_implementation(closing_task_of(switched), by=owner, side="client", reason="Done.")
    withdraw_acceptance(AcceptedResidualRisk.objects.all()[0], by=consultant)

    with pytest.raises(OnboardingError, match="Residual risks:"):
        sign_off_implementation(
            closing_task_of(switched), by=consultant, side="mimecast", reason="Done."
        )
    switched.refresh_from_db()
    assert switched.closed_at is None


def test_acceptance_is_stored_with_sentence_and_line(switched: Tenant, consultant: User) -> None:
    risk = risk_of(switched, "last-cache")

    accepted = accept(switched, "last-cache", consultant, " They know. ")

    assert (accepted.sentence, accepted.reason, accepted.accepted_by, accepted.ends_at) == (
        risk.sentence,
        "They know.",
        consultant,
        risk.ends_at,
    )
    line = ActivityLine.objects.get(action="residual-risk-accepted")
    assert (line.actor, line.params["subject"], line.params["reason"]) == (
        consultant,
        DOMAIN,
        "They know.",
    )


def test_second_acceptance_changes_nothing(switched: Tenant, consultant: User) -> None:
    first = accept(switched, "mx-ttl", consultant)

    assert accept(switched, "mx-ttl", consultant, "Another reason.") == first
    assert ActivityLine.objects.filter(action="residual-risk-accepted").count() == 1


def test_later_end_needs_another_acceptance(
    switched: Tenant, consultant: User, clock: Clock
) -> None:
    first = accept(switched, "last-cache", consultant)
    # A server publishes the old answer again, and then the new one.
    clock.move_to(at("Tue 06:00"))
    run_mx(switched, ["mail.northwind.test"], 86_400, at("Tue 05:00"), Verdict.FAIL)
    run_mx(switched, list(switched.region_values.mx), 300, at("Tue 06:00"), Verdict.PASS)

    assert risk_of(switched, "last-cache").ends_at == at("Wed 06:00")
    assert not risk_of(switched, "last-cache").is_accepted
    second = accept(switched, "last-cache", consultant, "One more day.")

    first.refresh_from_db()
    assert first.withdrawn_at == at("Tue 06:00")
    assert risk_of(switched, "last-cache").acceptance == second


@pytest.mark.parametrize(
    ("expected", "reason", "error"),
    [
        (None, " ", "Enter a reason"),
        (None, "x" * 501, "at most 500 characters"),
        ("It was another risk.", "We know.", "The risk has changed"),
    ],
)
def test_invalid_acceptance_is_refused(
    switched: Tenant, consultant: User, expected: str | None, reason: str, error: str
) -> None:
    shown = expected or risk_of(switched, "mx-ttl").sentence

    with pytest.raises(OnboardingError, match=error):
        accept_residual_risk(
            switched, "mx-ttl", DOMAIN, expected=shown, reason=reason, by=consultant
        )
    assert not AcceptedResidualRisk.objects.exists()


def test_risk_that_is_over_cannot_be_accepted(switched: Tenant, consultant: User) -> None:
    with pytest.raises(ConflictingChange, match="over"):
        accept_residual_risk(
            switched, "wait", "Days", expected="", reason="We know.", by=consultant
        )


def test_migration_renames_risk_of_timed_task(switched: Tenant, consultant: User) -> None:
    accepted = accept(switched, "mx-ttl", consultant)
    AcceptedResidualRisk.objects.update(kind="waiting-period")
    migration = importlib.import_module("onboarding.migrations.0068_snapshots_and_waits")

    migration.rename_to_wait(apps, None)

    accepted.refresh_from_db()
    assert accepted.get_kind_display() == "Wait not over"


def test_database_stores_one_active_acceptance(switched: Tenant, consultant: User) -> None:
    first = accept(switched, "mx-ttl", consultant)

    with pytest.raises(IntegrityError):
        AcceptedResidualRisk.objects.create(
            tenant=switched,
            kind=first.kind,
            subject=first.subject,
            state="low",
            reason="Twice.",
            accepted_by=consultant,
        )


def test_acceptances_are_history_after_reopening(
    switched: Tenant, owner: User, consultant: User
) -> None:
    accept_all_risks(switched, consultant)
    closed = sign_off_both(switched, owner, consultant)
    with pytest.raises(OnboardingError, match="The tenant has been closed"):
        withdraw_acceptance(AcceptedResidualRisk.objects.all()[0], by=consultant)

    reopen_tenant(closed, by=consultant, reason="One more domain.")

    history = former_acceptances(closed)
    assert {each.kind for each in history} == {"last-cache", "lockdown", "mx-ttl"}
    assert {each.reason for each in history} == {"We know."}
    assert len(obligations_now(closed).open_risks) == 3


# --- The page


def address_of(tenant: Tenant, name: str = "closing", *ids: str) -> str:
    return reverse(f"onboarding:{name}", args=[tenant.public_id, *ids])


def test_page_links_undecided_tasks(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    decide_all(tenant, "training", "web-security")

    html = signed_in(owner).get(address_of(tenant)).content.decode()

    training = task_of(tenant, "training")
    link = f"{reverse('onboarding:plan-show', args=[tenant.public_id])}?phase="
    assert f"{link}{training.phase.key}#{training.key}" in html
    assert f"#{task_of(tenant, 'web-security').key}" in html
    assert texts(html, "#decisions")[0].count("· optional") == 1
    assert "2 without a decision" in html
    assert "Still open: “Training”" in texts(html, "#sign-off")[0]
    assert "Sign off the implementation" not in html


def test_page_has_an_empty_form_for_each_risk(
    switched: Tenant, consultant: User, signed_in: SignIn
) -> None:
    html = signed_in(consultant).get(address_of(switched)).content.decode()

    areas = texts(html, "textarea")
    assert (len(areas), set(areas)) == (3, {""})
    assert "checked" not in html[html.index('id="decisions"') : html.index('id="sign-off"')]
    assert "3 not accepted" in html


@pytest.mark.parametrize("role", ["owner", "member", "viewer", "manager"])
def test_others_see_risks_without_a_form(
    switched: Tenant, signed_in: SignIn, role: str, request: pytest.FixtureRequest
) -> None:
    client = signed_in(request.getfixturevalue(role))
    html = client.get(address_of(switched)).content.decode()
    risk = risk_of(switched, "mx-ttl")
    data = {"kind": "mx-ttl", "subject": DOMAIN, "sentence": risk.sentence, "reason": "We know."}

    assert risk.sentence in html
    assert address_of(switched, "residual-risk-accept") not in html
    assert client.post(address_of(switched, "residual-risk-accept"), data).status_code == 403
    assert not AcceptedResidualRisk.objects.exists()


def test_consultant_accepts_on_the_page(
    switched: Tenant, consultant: User, owner: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    for risk in obligations_now(switched).risks:
        data = {"kind": risk.kind.value, "subject": risk.subject, "sentence": risk.sentence}
        client.post(address_of(switched, "residual-risk-accept"), data | {"reason": "We know."})

    html = signed_in(owner).get(address_of(switched)).content.decode()
    assert "0 not accepted" in html
    assert html.count("“We know.”") == 3
    assert "Accepted by Con Sultant" in html
    assert "Sign off the implementation" in html


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"reason": "  "}, "Enter a reason. The closing pack contains it."),
        ({"sentence": "It was 500 s."}, "The risk has changed. Read it again."),
        ({"reason": "x" * 501}, "at most 500 characters"),
    ],
)
def test_refused_reason_is_next_to_its_field(
    switched: Tenant, consultant: User, signed_in: SignIn, change: dict[str, str], error: str
) -> None:
    risk = risk_of(switched, "mx-ttl")
    data = {"kind": "mx-ttl", "subject": DOMAIN, "sentence": risk.sentence, "reason": "We know."}
    response = signed_in(consultant).post(
        address_of(switched, "residual-risk-accept"), data | change
    )

    html = response.content.decode()
    assert response.status_code == 422
    assert [item for item in texts(html, "li") if risk.sentence in item and error in item]
    assert html.count(error) == 1
    typed = (data | change)["reason"].strip()
    assert [area for area in texts(html, "textarea") if area] == ([typed] if typed else [])


def test_withdrawn_acceptance_opens_the_risk(
    switched: Tenant, consultant: User, signed_in: SignIn
) -> None:
    accepted = accept(switched, "mx-ttl", consultant)
    client = signed_in(consultant)

    client.post(address_of(switched, "residual-risk-withdraw", accepted.public_id))

    html = client.get(address_of(switched)).content.decode()
    assert "3 not accepted" in html
    assert "Former acceptances: 1" in html
    assert ActivityLine.objects.filter(action="residual-risk-withdrawn").count() == 1


def test_closed_tenant_lists_accepted_risks(
    switched: Tenant, owner: User, consultant: User, viewer: User, signed_in: SignIn
) -> None:
    accept_all_risks(switched, consultant)
    sentences = [risk.sentence for risk in obligations_now(switched).risks]
    sign_off_both(switched, owner, consultant)

    listed = texts(signed_in(viewer).get(address_of(switched)).content.decode(), "#accepted-risks")

    assert [sentence for sentence in sentences if sentence not in listed[0]] == []
    assert listed[0].count("“We know.”") == 3


def test_reminder_button_hides_while_a_consultant_must_accept_risks(
    tenant: Tenant, consultant: User, owner: User, signed_in: SignIn
) -> None:
    decide_all(tenant)
    closing = closing_task_of(tenant)
    page = f"{address_of(tenant, 'plan-show')}?phase={closing.phase.key}"
    remind = address_of(tenant, "task-remind", closing.public_id)
    assert remind not in signed_in(consultant).get(page).content.decode()

    accept_all_risks(tenant, consultant)
    assert remind in signed_in(consultant).get(page).content.decode()


def test_sign_off_button_appears_for_both_sides(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    prepare_closing(tenant, consultant)

    for user in (owner, consultant):
        html = signed_in(user).get(address_of(tenant)).content.decode()
        assert "Sign off the implementation" in html
