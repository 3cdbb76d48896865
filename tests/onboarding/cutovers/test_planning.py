"""Planning: several cutovers of a direction, each with its domains."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from onboarding.cutovers import go_no_go
from onboarding.cutovers.dry_run import DryRunResult, save_dry_run
from onboarding.cutovers.on_call import add_on_call, on_call_candidates
from onboarding.cutovers.planning import cancel_cutover, change_cutover, plan_cutover
from onboarding.cutovers.room import load_facts
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Cutover, CutoverDomain, DryRun
from onboarding.plans.plan_context import PlanContext
from tenants.models import ActivityLine, Domain, Tenant, User
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, RunCheck, SignIn
from tests.markup import texts

pytestmark = pytest.mark.usefixtures("fixed_monday")

# A Thursday at 19:00 in the time zone of the test tenants, UTC.
MOMENT = datetime(2027, 3, 4, 19, 0, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture
def tenant(make_tenant: MakeTenant) -> Tenant:
    return make_tenant(
        domains=(("main.test", "primary"), ("side.test", "secondary"), ("try.test", "test"))
    )


def domain_of(tenant: Tenant, name: str) -> Domain:
    return tenant.domains.get(name=name)


def _names(cutover: Cutover) -> list[str]:
    return sorted(cutover.domains.values_list("name", flat=True))


# --- Planning


def test_page_lists_domains_without_cutover(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    client = signed_in(consultant)
    page = reverse("onboarding:cutovers", args=[tenant.public_id])
    chosen = [domain_of(tenant, name).public_id for name in ("side.test", "try.test")]

    client.post(
        page,
        {
            "direction": "inbound",
            "planned_at": "2027-03-04T19:00",
            "domains": chosen,
            "reason": "It is agreed.",
        },
    )

    made = Cutover.objects.get(plan__tenant=tenant)
    assert (made.planned_at, _names(made)) == (MOMENT, ["side.test", "try.test"])
    html = client.get(page).content.decode()
    assert texts(html, "#left-outbound") == [
        "Not in a cutover yet: main.test, side.test and try.test."
    ]
    assert texts(html, "#left-inbound") == ["Not in a cutover yet: main.test."]
    line = ActivityLine.objects.get(tenant=tenant, action="cutover-planned")
    assert line.params["domains"] == "side.test and try.test"


def test_domain_in_one_cutover_per_direction(tenant: Tenant, consultant: User) -> None:
    cutover_of(tenant, "inbound", MOMENT, "side.test")
    cutover_of(tenant, "outbound", MOMENT, "side.test")
    side = domain_of(tenant, "side.test")

    with pytest.raises(ConflictingChange, match="in another inbound cutover"):
        plan_cutover(tenant.plan, "inbound", MOMENT + WEEK, [side], by=consultant)
    other = Cutover.objects.create(plan=tenant.plan, direction="inbound", planned_at=MOMENT)
    with pytest.raises(IntegrityError), transaction.atomic():
        CutoverDomain.objects.create(cutover=other, domain=side, direction="inbound")

    assert CutoverDomain.objects.filter(domain=side).count() == 2


@pytest.mark.parametrize(
    ("domains", "sentence"),
    [
        ([], "Choose at least one domain."),
        (["elsewhere.test"], "One of these domains is in another cutover now. Choose again."),
        (["side.test"], "One of these domains is in another cutover now. Choose again."),
        (["none"], "One of these domains is in another cutover now. Choose again."),
    ],
)
def test_unavailable_domain_is_refused(
    tenant: Tenant,
    consultant: User,
    outsider: User,
    signed_in: SignIn,
    domains: list[str],
    sentence: str,
) -> None:
    cutover_of(tenant, "inbound", MOMENT, "side.test")
    known = {domain.name: domain.public_id for domain in Domain.objects.all()}

    answer = signed_in(consultant).post(
        reverse("onboarding:cutovers", args=[tenant.public_id]),
        {
            "direction": "inbound",
            "planned_at": "2027-03-05T20:15",
            "domains": [known.get(name, name) for name in domains],
        },
    )

    html = answer.content.decode()
    assert answer.status_code == 422
    assert texts(html, ".errorlist") == [sentence]
    assert 'value="2027-03-05T20:15"' in html
    assert Cutover.objects.count() == 1


def test_foreign_cutover_is_not_found(
    tenant: Tenant, make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    foreign = cutover_of(make_tenant("Other", domains=(("o.test", "primary"),)), "inbound", MOMENT)
    client = signed_in(consultant)

    for name in ("cutover-edit", "cutover-cancel"):
        address = reverse(f"onboarding:{name}", args=[tenant.public_id, foreign.public_id])
        assert client.post(address).status_code == 404


# --- Changing


def _decide(cutover: Cutover, consultant: User, owner: User) -> None:
    go_no_go.name_approvers(cutover, mimecast=consultant, client=owner, by=consultant)
    Cutover.objects.filter(pk=cutover.pk).update(confirmed_at=MOMENT, confirmed_by=consultant)
    cutover.refresh_from_db()
    facts = load_facts(
        cutover,
        [],
        PlanContext.of(cutover.plan.tenant),
        [],
        cutover.plan.tenant.region_values,
        now=timezone.now(),
    )
    vote = go_no_go.Vote(cutover.planned_at, cutover.round, False, "Not yet.")
    assert go_no_go.cast_vote(cutover, vote, [], facts, by=owner) is not None


@pytest.fixture
def owner(tenant: Tenant) -> User:
    user = User.objects.create_user("owner@main.test", "pw", name="Owner Person")
    tenant.memberships.create(user=user, role="owner")
    return user


def test_domain_change_resets_decision(tenant: Tenant, consultant: User, owner: User) -> None:
    cutover = cutover_of(tenant, "inbound", MOMENT, "side.test")
    _decide(cutover, consultant, owner)

    both = [domain_of(tenant, "side.test"), domain_of(tenant, "try.test")]
    change_cutover(cutover, MOMENT, both, expected_round=1, by=consultant, reason="Agreed.")

    cutover.refresh_from_db()
    assert (cutover.confirmed_at, cutover.confirmed_by, cutover.round) == (None, None, 2)
    assert go_no_go.current_decision(cutover) is None
    assert go_no_go.current_votes(cutover) == {}
    assert cutover.decisions.get().content["domains"] == ["side.test"]


def test_window_moved_back_needs_new_decision(
    tenant: Tenant, consultant: User, owner: User
) -> None:
    cutover = cutover_of(tenant, "inbound", MOMENT, "side.test")
    _decide(cutover, consultant, owner)

    for shown, moment in ((1, MOMENT + WEEK), (2, MOMENT)):
        side = [domain_of(tenant, "side.test")]
        change_cutover(cutover, moment, side, expected_round=shown, by=consultant, reason="Agreed.")

    cutover.refresh_from_db()
    assert go_no_go.current_decision(cutover) is None


def test_unchanged_save_resets_nothing(tenant: Tenant, consultant: User, owner: User) -> None:
    cutover = cutover_of(tenant, "inbound", MOMENT, "side.test")
    _decide(cutover, consultant, owner)

    change_cutover(
        cutover, MOMENT, [domain_of(tenant, "side.test")], expected_round=1, by=consultant
    )

    cutover.refresh_from_db()
    assert cutover.confirmed_by == consultant
    assert go_no_go.current_decision(cutover) is not None


def test_change_of_outdated_round_is_refused(tenant: Tenant, consultant: User) -> None:
    cutover = cutover_of(tenant, "inbound", MOMENT, "side.test")
    change_cutover(
        cutover,
        MOMENT + WEEK,
        [domain_of(tenant, "side.test")],
        expected_round=1,
        by=consultant,
        reason="Agreed.",
    )

    with pytest.raises(ConflictingChange):
        change_cutover(
            cutover, MOMENT, [domain_of(tenant, "try.test")], expected_round=1, by=consultant
        )

    assert _names(cutover) == ["side.test"]


@pytest.mark.parametrize(
    ("hours", "wanted", "is_changed"),
    [
        (1, ["side.test", "try.test"], True),
        (0, ["side.test"], False),
        (-3, ["side.test"], False),
        (-5, ["side.test"], True),
        (-5, ["main.test", "side.test", "try.test"], False),
    ],
)
def test_domain_changes_around_window(
    tenant: Tenant, consultant: User, hours: float, wanted: list[str], is_changed: bool
) -> None:
    moment = timezone.now() + timedelta(hours=hours)
    cutover = cutover_of(tenant, "inbound", moment, "main.test", "side.test")
    domains = list(tenant.domains.filter(name__in=wanted))

    try:
        change_cutover(cutover, moment, domains, expected_round=1, by=consultant, reason="Agreed.")
    except OnboardingError:
        assert not is_changed

    assert (_names(cutover) == wanted) == is_changed


def test_decision_remains_after_window(tenant: Tenant, consultant: User, owner: User) -> None:
    moment = timezone.now() - timedelta(hours=5)
    cutover = cutover_of(tenant, "inbound", moment, "main.test", "side.test")
    _decide(cutover, consultant, owner)

    change_cutover(
        cutover, moment, [domain_of(tenant, "side.test")], expected_round=1, by=consultant
    )

    cutover.refresh_from_db()
    assert go_no_go.current_decision(cutover) is not None


@pytest.mark.slow
def test_removed_domain_resets_decision(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    cutover = cutover_of(tenant, "inbound", MOMENT, "side.test", "try.test")
    Cutover.objects.update(confirmed_at=MOMENT, confirmed_by=consultant)
    from_page = reverse("onboarding:profile-edit", args=[tenant.public_id])
    rows = {
        f"domains-{n}-{key}": str(value)
        for n, domain in enumerate(tenant.domains.all())
        for key, value in (("id", domain.pk), ("name", domain.name), ("role", domain.role))
    }
    client = signed_in(consultant)
    form = {
        "name": tenant.name,
        "expected": client.get(from_page).context["profile"]["expected"].value(),
        "region": "us",
        "platform": tenant.platform,
        "directory_method": tenant.directory_method,
        "authentication": tenant.authentication,
        "time_zone": "UTC",
        "domains-TOTAL_FORMS": "3",
        "domains-INITIAL_FORMS": "3",
        "domains-2-DELETE": "on",
        "hosts-TOTAL_FORMS": "0",
        "hosts-INITIAL_FORMS": "0",
    }

    refused = client.post(from_page, form | rows)
    answer = client.post(
        from_page, form | rows | {"confirmed_removals": refused.context["removals_fingerprint"]}
    )

    assert (refused.status_code, answer.status_code) == (422, 302)
    cutover.refresh_from_db()
    assert (_names(cutover), cutover.confirmed_at, cutover.round) == (["side.test"], None, 2)


def test_cancelled_cutover_releases_domains(tenant: Tenant, consultant: User) -> None:
    cutover = cutover_of(tenant, "inbound", MOMENT, "side.test")

    cancel_cutover(cutover, by=consultant)
    side = [domain_of(tenant, "side.test")]
    plan_cutover(tenant.plan, "inbound", MOMENT, side, by=consultant, reason="Agreed.")

    assert Cutover.objects.count() == 1


def test_cancelled_cutover_keeps_record(
    tenant: Tenant, consultant: User, owner: User, signed_in: SignIn
) -> None:
    cutover = cutover_of(tenant, "inbound", MOMENT, "side.test")
    dry_run = save_dry_run(
        cutover,
        DryRunResult("@ 300 MX 10 a.", [], [], []),
        started_at=MOMENT,
        now=MOMENT,
        comment="Ran well.",
        by=consultant,
    )

    cancel_cutover(cutover, by=consultant)
    side = [domain_of(tenant, "side.test")]
    plan_cutover(tenant.plan, "inbound", MOMENT, side, by=consultant, reason="Agreed.")

    assert (Cutover.objects.count(), DryRun.objects.count()) == (1, 1)
    client = signed_in(consultant)
    where = [tenant.public_id, cutover.public_id]
    html = client.get(reverse("onboarding:cutovers", args=where[:1])).content.decode()
    assert any("Inbound cutover of side.test" in each for each in texts(html, "li"))
    assert reverse("onboarding:cutover-timeline", args=where) in html
    for person in (consultant, owner):
        reader = signed_in(person)
        record = reader.get(reverse("onboarding:cutover-timeline", args=where))
        assert "Cancelled" in texts(record.content.decode(), ".badge")
        read = reader.get(reverse("onboarding:dry-run-show", args=[*where, dry_run.public_id]))
        assert "“Ran well.”" in texts(read.content.decode(), "p")
        assert reader.get(reverse("onboarding:cutover-room", args=where)).status_code == 404


def test_services_reject_cancelled_cutover(tenant: Tenant, consultant: User, owner: User) -> None:
    cutover = cutover_of(tenant, "inbound", MOMENT, "side.test")
    cancel_cutover(cutover, by=consultant)

    with pytest.raises(ConflictingChange, match="cancelled"):
        go_no_go.name_approvers(cutover, mimecast=consultant, client=owner, by=consultant)
    with pytest.raises(ConflictingChange, match="cancelled"):
        save_dry_run(
            cutover,
            DryRunResult("", [], [], []),
            started_at=MOMENT,
            now=MOMENT,
            comment="",
            by=consultant,
        )
    with pytest.raises(ConflictingChange, match="cancelled"):
        add_on_call(cutover, on_call_candidates(tenant)[0], "+1 555 0100", by=consultant)


def test_migration_assigns_domains(make_tenant: MakeTenant) -> None:
    names = (("p.test", "primary"), ("s.test", "send_only"), ("r.test", "routing"))
    tenant = make_tenant("Before", domains=names)
    inbound, outbound = (
        Cutover.objects.create(plan=tenant.plan, direction=direction, planned_at=MOMENT)
        for direction in ("inbound", "outbound")
    )
    migration = importlib.import_module("onboarding.migrations.0011_cutovers_keep_their_domains")

    migration.keep_domains(apps, None)

    assert (_names(inbound), _names(outbound)) == (["p.test"], ["p.test", "s.test"])


def test_ended_window_without_switch_is_shown(
    tenant: Tenant, consultant: User, signed_in: SignIn, run_check: RunCheck
) -> None:
    cutover_of(tenant, "inbound", timezone.now() - timedelta(days=2), "side.test")
    client = signed_in(consultant)
    page = reverse("onboarding:cutovers", args=[tenant.public_id])

    before = client.get(page).content.decode()
    run_check(tenant, CheckKind.MX, Verdict.PASS, subject="side.test")
    after = client.get(page).content.decode()

    sentence = "The window ended before every domain switched. Reschedule it."
    assert [sentence in html for html in (before, after)] == [True, False]
