"""The next event on a confirmed task: every place names the same actor, or names none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from checks.expectations import sync_checks
from checks.models import Check
from onboarding.errors import OnboardingError
from onboarding.lifecycle.proposals import add_host
from onboarding.models import ResidualRiskKind, Task
from onboarding.plan_templates.plan_creation import apply_profile
from onboarding.plans import reminders
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import confirm_task
from onboarding.plans.submitted_messages import submit_test_message
from tenants.models import Tenant, User
from tests.closings import decide_all, obligations_now
from tests.factories import START, HostRow, MakeTenant, RunCheck, SignIn, client_person, task_of
from tests.markup import texts
from tests.onboarding.plans.test_forecast_inputs import find
from tests.proposals import CODE, propose

OUTBOUND, OWNERSHIP, DKIM = "outbound-cutover", "domain-ownership", "dkim-update"
SPF, SMTP, LOCKDOWN = "spf-update", "data-centers-urls", "connection-lockdown"
DELIVERY_TEST, BOTH = "inbound-delivery-test", "digest-review"
SELECTOR = "mimecast20261201"


class World(NamedTuple):
    tenant: Tenant
    owner: User
    consultant: User
    run_check: RunCheck

    def confirm(self, key: str) -> None:
        confirm_task(task_of(self.tenant, key), by=self.owner, side="client")
        self.tenant.refresh_from_db()

    def message_check(self) -> Check:
        return self.tenant.checks.get(kind=CheckKind.MESSAGE, is_active=True)


def outbound(world: World) -> None:
    world.confirm(OUTBOUND)


def after_pilot(world: World) -> None:
    check = world.message_check()
    Check.objects.filter(pk=check.pk).update(
        settled_verdict="pass", signed_at=timezone.now() - timedelta(hours=1)
    )
    world.confirm(OUTBOUND)


def with_pending_message(world: World) -> None:
    world.confirm(OUTBOUND)
    submit_test_message(
        world.tenant.plan, world.message_check(), b"From: a@northwind.test\n\n", by=world.owner
    )


def without_selector(world: World) -> None:
    world.tenant.domains.update(dkim_selectors="")
    apply_profile(world.tenant)
    world.confirm(OUTBOUND)


def without_code(world: World) -> None:
    world.tenant.domains.update(ownership_token="", ownership_label="")
    sync_checks(world.tenant)
    world.confirm(OWNERSHIP)


def with_proposed_code(world: World) -> None:
    without_code(world)
    propose(world.tenant, world.owner, ownership_token=CODE)


def key_without_selector(world: World) -> None:
    world.tenant.domains.update(dkim_selectors="")
    apply_profile(world.tenant)
    world.confirm(DKIM)


def without_host(world: World) -> None:
    world.tenant.hosts.all().delete()
    sync_checks(world.tenant)
    world.confirm(SMTP)


def with_proposed_host(world: World) -> None:
    without_host(world)
    add_host(world.tenant, name="mail.northwind.test", port=25, by=world.owner, decides=False)


def before_the_run(world: World) -> None:
    hour_ago = (timezone.now() - START) / timedelta(minutes=1) - 60
    world.run_check(world.tenant, CheckKind.SPF, Verdict.FAIL, minutes=hour_ago)
    world.confirm(SPF)


def contradicted(world: World) -> None:
    """The run after the confirmation has the same answer as the one before it."""
    before_the_run(world)
    Check.objects.filter(tenant=world.tenant, kind=CheckKind.SPF).update(
        requested_until=timezone.now() + timedelta(minutes=9)
    )
    world.run_check(world.tenant, CheckKind.SPF, Verdict.FAIL)


@dataclass(frozen=True)
class Case:
    """`side` is empty while a check decides."""

    key: str
    prepare: Callable[[World], None]
    side: str
    sentence: str = ""
    platform: str = "on_premises"


CASES = {
    "no message": Case(
        OUTBOUND, outbound, "client", "Submit a test message from northwind.test to verify"
    ),
    "no message of both halves": Case(
        OUTBOUND,
        outbound,
        "client",
        "Submit a message from northwind.test that Exchange Online sent, and another that Exchange"
        " on-premises sent after the confirmation.",
        platform="hybrid",
    ),
    "pilot": Case(OUTBOUND, after_pilot, "client", "is a pilot message. Send a new message."),
    "message pending": Case(OUTBOUND, with_pending_message, ""),
    "no selector": Case(
        OUTBOUND, without_selector, "client", "Enter the DKIM selector of northwind.test"
    ),
    "no code": Case(
        OWNERSHIP, without_code, "client", "Enter the ownership code of northwind.test"
    ),
    "proposed code": Case(
        OWNERSHIP, with_proposed_code, "mimecast", "A consultant confirms or rejects it."
    ),
    "no selector of the key": Case(
        DKIM, key_without_selector, "client", "Enter the DKIM selector of northwind.test"
    ),
    "no host": Case(SMTP, without_host, "client", "enter a delivery host"),
    "proposed host": Case(
        SMTP, with_proposed_host, "mimecast", "A consultant confirms or rejects it."
    ),
    "run ahead": Case(SPF, before_the_run, ""),
    "contradicted": Case(SPF, contradicted, "client"),
}


@pytest.fixture
def make_world(make_tenant: MakeTenant, consultant: User, run_check: RunCheck) -> Any:
    def make(case: Case) -> World:
        hosts = (HostRow("delivery", "mail.northwind.test", 25),)
        tenant = make_tenant("Northwind", platform=case.platform, hosts=hosts)
        tenant.domains.update(dkim_selectors=SELECTOR, ownership_token=CODE)
        Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
        apply_profile(tenant)
        decide_all(tenant, case.key)
        tenant.refresh_from_db()
        world = World(tenant, client_person(tenant, "owner"), consultant, run_check)
        case.prepare(world)
        tenant.refresh_from_db()
        assert task_of(tenant, case.key).status == "awaiting_verification"
        return world

    return make


def address(name: str, tenant: Tenant) -> str:
    return reverse(f"onboarding:{name}", args=[tenant.public_id])


def places_on_home(html: str, key: str) -> list[str]:
    ids = {"client": f"#{key}", "": f"#verifying-{key}", "mimecast": f"#on-mimecast-{key}"}
    return [side for side, wanted in ids.items() if texts(html, wanted)]


def reminded_sides(world: World, task: Task) -> str:
    """The side of the recipients of a reminder that Gangway sends automatically."""
    try:
        made = reminders.create_reminders(world.tenant.plan, [task], by=None)
    except OnboardingError:
        return ""
    sides = {"mimecast" if each.recipient.is_mimecast else "client" for each in made}
    (side,) = sides
    return side


@pytest.mark.parametrize("name", CASES)
def test_every_place_names_the_same_actor(make_world: Any, signed_in: SignIn, name: str) -> None:
    case = CASES[name]
    world: World = make_world(case)
    task = task_of(world.tenant, case.key)
    home = signed_in(world.owner).get(address("my-tasks", world.tenant)).content.decode()
    plan = signed_in(world.owner).get(
        f"{address('plan-show', world.tenant)}?phase={task.phase.key}"
    )
    desk = signed_in(world.consultant).get(reverse("onboarding:desk")).content.decode()
    step = find(world.tenant, f"action:{case.key}")
    (row,) = texts(plan.content.decode(), f"#{case.key}")
    shown = [texts(home, f"#{prefix}{case.key}") for prefix in ("", "verifying-", "on-mimecast-")]
    (line,) = [text for found in shown for text in found]

    named = {
        "home": places_on_home(home, case.key),
        "waiting_on": task.waiting_on,
        "reminder": reminded_sides(world, task),
        "forecast": step.side if step is not None else "",
        "badge": "Verifying." if "Verifying." in row else "",
    }

    assert named == {
        "home": [case.side],
        "waiting_on": case.side,
        "reminder": case.side,
        "forecast": case.side,
        "badge": "" if case.side else "Verifying.",
    }
    assert case.sentence in row
    assert case.sentence in line
    assert "9999" not in home
    assert ("No tasks for you today" in home) is (case.side != "client")
    assert ("Nothing needs you" in desk) is (case.side != "mimecast" and name != "contradicted")


@pytest.mark.parametrize("name", ["no message", "no host", "proposed code"])
def test_reminder_names_the_action(make_world: Any, name: str) -> None:
    case = CASES[name]
    world: World = make_world(case)

    found = reminders.sentences_of(world.tenant.plan, [task_of(world.tenant, case.key)])

    assert [case.sentence in text for text in found.values()] == [True]


@pytest.mark.parametrize(("name", "has_form"), [("no selector", True), ("no message", False)])
def test_card_has_the_form_of_the_missing_value(
    make_world: Any, signed_in: SignIn, name: str, *, has_form: bool
) -> None:
    world: World = make_world(CASES[name])

    home = signed_in(world.owner).get(address("my-tasks", world.tenant)).content.decode()

    assert ('name="dkim_selectors"' in home) is has_form


def test_request_does_not_wait_for_other_tasks(tenant: Tenant) -> None:
    """A person asked the client: the badge, the home and `waiting_on` agree on it."""
    task = task_of(tenant, LOCKDOWN)
    rows = Task.objects.filter(pk=task.pk)
    rows.update(manual_status="waiting", status_reason="Which host?", status_waiting_on="client")
    recompute_rollup(tenant.plan)

    assert task_of(tenant, LOCKDOWN).waiting_on == "client"


def test_message_of_another_region_reopens_the_work(
    make_tenant: MakeTenant, consultant: User, run_check: RunCheck, signed_in: SignIn
) -> None:
    """The task stays done, because the text proves nothing. The client acts, and closing waits."""
    tenant = make_tenant("Northwind", hosts=(HostRow("delivery", "mail.northwind.test", 25),))
    decide_all(tenant, DELIVERY_TEST)
    owner = client_person(tenant, "owner")
    for by, side in ((owner, "client"), (consultant, "mimecast")):
        confirm_task(task_of(tenant, DELIVERY_TEST), by=by, side=side)
    before = task_of(tenant, DELIVERY_TEST)

    run_check(
        tenant, CheckKind.DELIVERY_MESSAGE, Verdict.FAIL, code="delivery-message.other-region"
    )

    after = task_of(tenant, DELIVERY_TEST)
    client = signed_in(owner)
    home = client.get(address("my-tasks", tenant)).content.decode()
    plan = f"{address('plan-show', tenant)}?phase={after.phase.key}"
    (row,) = texts(client.get(plan).content.decode(), f"#{DELIVERY_TEST}")
    assert (before.status, before.waiting_on) == ("done", "")
    assert (after.status, after.waiting_on) == ("done", "client")
    assert len(texts(home, f"#{DELIVERY_TEST}")) == 1
    assert row.startswith(("Not passed", "Fail"))
    assert "Contradicted by a received message" in row
    assert ResidualRiskKind.CONTRADICTION in {r.kind for r in obligations_now(tenant).open_risks}


@pytest.mark.parametrize(("is_open", "names_side"), [(True, False), (False, True)])
def test_badge_names_no_side_before_the_dependencies(
    tenant: Tenant, consultant: User, signed_in: SignIn, *, is_open: bool, names_side: bool
) -> None:
    rows = Task.objects.filter(plan=tenant.plan)
    if not is_open:
        rows.exclude(key=BOTH).update(manual_status="not_needed", status_reason="No.")
    rows.filter(key=BOTH).update(
        mimecast_confirmed_at=timezone.now(), mimecast_confirmed_by=consultant
    )
    recompute_rollup(tenant.plan)
    task = task_of(tenant, BOTH)

    plan = f"{address('plan-show', tenant)}?phase={task.phase.key}"
    (row,) = texts(signed_in(consultant).get(plan).content.decode(), f"#{BOTH}")

    assert (task.status, bool(task.waiting_on)) == ("partly_confirmed", names_side)
    assert ("waiting on the client" in row) is names_side


def test_complete_task_waits_on_no_other(
    tenant: Tenant, consultant: User, signed_in: SignIn
) -> None:
    rows = Task.objects.filter(plan=tenant.plan, key=BOTH)
    rows.update(
        **{f"{side}_confirmed_at": timezone.now() for side in ("mimecast", "client")},
        mimecast_confirmed_by=consultant,
        client_confirmed_by=consultant,
    )
    recompute_rollup(tenant.plan)
    task = task_of(tenant, BOTH)

    plan = f"{address('plan-show', tenant)}?phase={task.phase.key}"
    (row,) = texts(signed_in(consultant).get(plan).content.decode(), f"#{BOTH}")

    assert task.status == "done"
    assert "Waiting on" not in row
