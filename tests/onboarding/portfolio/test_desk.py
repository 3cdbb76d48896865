"""The desk: its entries with their one action, and the tenants that they come from."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from checks.engine.outcomes import CheckKind, Verdict
from checks.expectations import sync_checks
from onboarding.collaboration.comments import NewComment, add_comment
from onboarding.lifecycle.proposals import add_host, confirm_values
from onboarding.models import Cutover, Drift, Plan, PlanRisk, Task, WaitingPeriod
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.services import confirm_task
from onboarding.portfolio import risk_updates
from onboarding.portfolio.desk import queries
from onboarding.portfolio.desk.entries import DeskEntry, Group, Kind
from onboarding.portfolio.desk.needs import needs_of
from tenants.models import Tenant, User
from tests.clock import Clock
from tests.cutovers import cutover_of
from tests.factories import MakeTenant, RunCheck, SignIn, client_person, fill_fields, task_of
from tests.proposals import OWNERSHIP, expected_of, propose

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def led(make_tenant: MakeTenant, consultant: User, fixed_monday: Clock) -> Tenant:
    """A tenant of the consultant in which no task waits on either side."""
    return lead(make_tenant(), consultant)


def lead(tenant: Tenant, consultant: User) -> Tenant:
    Tenant.objects.filter(pk=tenant.pk).update(consultant=consultant)
    Task.objects.filter(plan__tenant=tenant).update(waiting_on="", waiting_since=None)
    WaitingPeriod.objects.filter(task__plan__tenant=tenant).delete()
    tenant.refresh_from_db()
    return tenant


def wait(task: Task, side: str = "mimecast", *, days: int = 0, due_on: date | None = None) -> Task:
    since = timezone.now() - days * DAY
    Task.objects.filter(pk=task.pk).update(waiting_on=side, waiting_since=since, due_on=due_on)
    return Task.objects.get(pk=task.pk)


def entries_of(user: User) -> list[DeskEntry]:
    risk_updates.update(list(Tenant.objects.values_list("pk", flat=True)))
    return list(needs_of(user, now=timezone.now()).entries)


def only(user: User, kind: Kind) -> DeskEntry:
    (found,) = [entry for entry in entries_of(user) if entry.kind is kind]
    return found


def kinds(user: User) -> list[Kind]:
    return [entry.kind for entry in entries_of(user)]


# --- Tasks


def test_late_task_is_due(led: Tenant, consultant: User) -> None:
    task = wait(task_of(led, "initial-conversation"), days=4, due_on=date(2026, 11, 26))

    entry = only(consultant, Kind.TASK)

    assert (entry.group, entry.subject) == (Group.DUE, task.title)
    assert (
        entry.sentence == "Due Thu 26 Nov, 2 working days late. It waits on you for 2 working days."
    )
    assert entry.url.endswith(f"?phase={task.phase.key}#{task.key}")


def test_task_of_tomorrow_is_next(led: Tenant, consultant: User) -> None:
    task = wait(task_of(led, "initial-conversation"), due_on=date(2026, 12, 1))

    entry = only(consultant, Kind.TASK)

    assert (entry.group, entry.subject) == (Group.NEXT, task.title)
    assert entry.sentence == "It waits on you for less than 1 working day."


def test_due_day_is_the_tenants(led: Tenant, consultant: User, fixed_monday: Clock) -> None:
    Tenant.objects.filter(pk=led.pk).update(time_zone="Pacific/Auckland")
    wait(task_of(led, "initial-conversation"), due_on=date(2026, 12, 1))
    fixed_monday.move_to(fixed_monday.now + 4 * HOUR)  # Tuesday, 01:00 in Auckland

    assert only(consultant, Kind.TASK).group is Group.DUE


def test_undated_tasks_share_an_entry(led: Tenant, consultant: User) -> None:
    tasks = Task.objects.filter(plan__tenant=led, is_group=False, applies=True)[:3]
    for days, task in enumerate(tasks):
        wait(task, days=days)

    entry = only(consultant, Kind.TASK)

    assert entry.subject == "3 tasks wait on you"
    assert tasks[2].title in entry.sentence


def test_task_of_a_colleague_is_not_listed(led: Tenant, consultant: User) -> None:
    colleague = User.objects.create_user("c@x.test", "pw", name="C", staff_role="consultant")
    task = wait(task_of(led, "initial-conversation"))
    Task.objects.filter(pk=task.pk).update(assignee=colleague)

    assert kinds(consultant) == []
    assert kinds(colleague) == [Kind.TASK]


def test_task_on_the_client_is_not_listed(led: Tenant, consultant: User) -> None:
    wait(task_of(led, "initial-conversation"), "client")

    assert kinds(consultant) == []


# --- Questions, confirmations, proofs and drift


def test_question_is_an_entry_until_answered(led: Tenant, consultant: User) -> None:
    owner = client_person(led, "owner")
    task = task_of(led, "initial-conversation")
    asked = add_comment(
        task, NewComment("Which site?", asked_side="mimecast"), by=owner, side="client"
    )

    entry = only(consultant, Kind.QUESTION)

    assert entry.sentence == "Owner Person: “Which site?”"
    assert entry.url.endswith(f"/comments/?reply_to={asked.public_id}")
    assert task.title not in [entry.subject for entry in entries_of(consultant)]
    add_comment(task, NewComment("Leeds."), by=consultant, side="mimecast", reply_to=asked)
    assert Kind.QUESTION not in kinds(consultant)


def test_question_to_the_client_is_not_listed(led: Tenant, consultant: User) -> None:
    task = task_of(led, "initial-conversation")
    add_comment(task, NewComment("When?", asked_side="client"), by=consultant, side="mimecast")

    assert Kind.QUESTION not in kinds(consultant)


def test_contradicted_confirmation_is_due(
    led: Tenant, consultant: User, run_check: RunCheck
) -> None:
    owner = client_person(led, "owner")
    task = fill_fields(task_of(led, "domain-ownership"))
    confirm_task(task, by=owner, side="client")
    assert Kind.CONTRADICTED not in kinds(consultant)

    run_check(led, CheckKind.OWNERSHIP, Verdict.FAIL, code="ownership.not-found")

    entry = only(consultant, Kind.CONTRADICTED)
    assert (entry.group, entry.subject) == (Group.DUE, task.title)
    assert entry.sentence.startswith("Marked as done by Owner Person, but not verified. northwind.")


def test_stored_risks_share_an_entry(led: Tenant, consultant: User) -> None:
    task = task_of(led, "initial-conversation")
    Task.objects.filter(pk=task.pk).update(regressed_at=timezone.now())
    recompute_rollup(Plan.objects.get(tenant=led))
    Drift.objects.create(tenant=led, kind="region_changed", subject=led.region)

    entry = only(consultant, Kind.LOST)

    assert (entry.group, entry.action) == (Group.LOST, "Open task")
    assert entry.sentence == f"Regressed: {task.title}. 1 drift since go-live."


def test_drift_of_closed_tenant_is_listed(led: Tenant, consultant: User) -> None:
    Tenant.objects.filter(pk=led.pk).update(closed_at=timezone.now())
    drift = Drift.objects.create(tenant=led, kind="leftover_mx", subject="northwind.test")

    entry = only(consultant, Kind.LOST)

    assert entry.sentence == "MX records changed: northwind.test."
    Drift.objects.filter(pk=drift.pk).update(muted_until=timezone.now() + DAY)
    assert kinds(consultant) == []


# --- Cutovers, votes, and implementations without movement


def test_window_has_one_entry_with_its_blockers(led: Tenant, consultant: User) -> None:
    planned = cutover_of(led, "outbound", timezone.now() + DAY)

    entry = only(consultant, Kind.CUTOVER)

    codes = PlanRisk.objects.filter(plan=led.plan, cutover_at__isnull=False).values_list("code")
    assert len(codes) > 1
    assert (entry.group, entry.action, entry.due_at) == (
        Group.BLOCKS_CUTOVER,
        "See blockers",
        planned.planned_at,
    )
    assert entry.reason.startswith("Open tasks block it: ")
    assert "Neither Mimecast nor the client has an approver." in entry.sentence


def test_later_window_is_next(led: Tenant, consultant: User) -> None:
    cutover_of(led, "outbound", timezone.now() + 13 * DAY)

    assert only(consultant, Kind.CUTOVER).group is Group.NEXT


@pytest.mark.parametrize(
    ("days", "has_other", "group"),
    [(1, False, Group.DUE), (9, False, Group.NEXT), (9, True, Group.DUE)],
)
def test_vote_is_due_near_its_window(
    led: Tenant, consultant: User, days: int, has_other: bool, group: Group
) -> None:
    owner = client_person(led, "owner")
    cutover = cutover_of(led, "outbound", timezone.now() + days * DAY)
    Cutover.objects.filter(pk=cutover.pk).update(
        mimecast_approver=consultant, client_approver=owner
    )
    if has_other:
        vote(cutover, owner, "client")

    assert only(consultant, Kind.VOTE).group is group


def vote(cutover: Cutover, by: User, side: str) -> None:
    cutover.votes.create(
        window_start=cutover.planned_at, round=cutover.round, side=side, by=by, is_go=True
    )


def test_vote_is_listed_for_the_approver_until_cast(led: Tenant, consultant: User) -> None:
    colleague = User.objects.create_user("c@x.test", "pw", name="C", staff_role="consultant")
    cutover = cutover_of(led, "outbound", timezone.now() + DAY)
    Cutover.objects.filter(pk=cutover.pk).update(mimecast_approver=colleague)
    assert Kind.VOTE not in kinds(consultant)
    assert kinds(colleague) == [Kind.VOTE]

    vote(cutover, colleague, "mimecast")
    assert kinds(colleague) == []

    Cutover.objects.filter(pk=cutover.pk).update(round=2)
    assert kinds(colleague) == [Kind.VOTE]


def test_quiet_implementation_is_listed(led: Tenant, consultant: User, fixed_monday: Clock) -> None:
    fixed_monday.move_to(fixed_monday.now + 4 * DAY)
    assert kinds(consultant) == []

    fixed_monday.move_to(fixed_monday.now + 4 * DAY)

    entry = only(consultant, Kind.QUIET)
    assert entry.subject == "No movement for 6 working days"


@pytest.mark.parametrize(
    ("waiting_on", "due_days", "sentence"),
    [
        ("client", None, "It waits on the client. "),
        # The due task is an entry of its own.
        ("mimecast", -1, ""),
        ("", None, ""),
    ],
)
def test_quiet_entry_names_the_right_side(
    led: Tenant,
    consultant: User,
    fixed_monday: Clock,
    waiting_on: str,
    due_days: int | None,
    sentence: str,
) -> None:
    moved = timezone.now() - 9 * DAY
    due_on = None if due_days is None else (timezone.now() + due_days * DAY).date()
    Task.objects.filter(plan__tenant=led).update(waiting_on="", status_changed_at=moved)
    first = Task.objects.filter(plan__tenant=led, applies=True, is_group=False)[0]
    Task.objects.filter(pk=first.pk).update(waiting_on=waiting_on, due_on=due_on)

    (entry,) = [
        each for each in needs_of(consultant, now=timezone.now()).entries if each.kind is Kind.QUIET
    ]
    plan = led.plan
    assert (
        entry.sentence == f"{sentence}{plan.tasks_complete} of {plan.tasks_total} tasks are done."
    )


def test_quiet_entry_names_the_waiting_task(
    led: Tenant, consultant: User, fixed_monday: Clock
) -> None:
    task = wait(task_of(led, "initial-conversation"))
    fixed_monday.move_to(fixed_monday.now + 8 * DAY)

    entry = only(consultant, Kind.QUIET)

    assert kinds(consultant) == [Kind.QUIET]
    assert entry.sentence.startswith(f"It waits on you: {task.title}. ")


# --- The page


def test_home_of_a_consultant_is_the_desk(consultant: User, signed_in: SignIn) -> None:
    response = signed_in(consultant).get(reverse("onboarding:home"))

    assert response["Location"] == reverse("onboarding:desk")


def test_first_entry_is_one_click_away(led: Tenant, consultant: User, signed_in: SignIn) -> None:
    task = wait(task_of(led, "initial-conversation"), days=4, due_on=date(2026, 11, 26))

    html = signed_in(consultant).get(reverse("onboarding:home"), follow=True).content.decode()

    main = html.split('id="desk"')[1].split('data-kind="main"')[0].rsplit("<a", 1)[1]
    assert f"?phase={task.phase.key}#{task.key}" in main


def test_desk_lists_only_led_tenants(
    led: Tenant, make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    other = User.objects.create_user("o@x.test", "pw", name="Other", staff_role="consultant")
    theirs = lead(make_tenant("Theirs", (("theirs.test", "primary"),)), other)
    for tenant in (led, theirs):
        wait(task_of(tenant, "initial-conversation"))
        task = Task.objects.filter(plan__tenant=tenant, is_group=False, applies=True)[3]
        wait(task, "client", days=9)
        cutover_of(tenant, "outbound", timezone.now() + 3 * DAY)

    for user, name, hidden in ((consultant, "Northwind", "Theirs"), (other, "Theirs", "Northwind")):
        html = signed_in(user).get(reverse("onboarding:desk")).content.decode()
        assert html.count(f"<strong>{name}</strong>") == 4
        assert f"<strong>{hidden}</strong>" not in html


def test_colleague_has_none_of_the_entries(
    led: Tenant, make_tenant: MakeTenant, consultant: User, run_check: RunCheck
) -> None:
    other = User.objects.create_user("o@x.test", "pw", name="Other", staff_role="consultant")
    owner = client_person(led, "owner")
    closed = lead(make_tenant("Closed", (("closed.test", "primary"),)), consultant)
    Tenant.objects.filter(pk=closed.pk).update(closed_at=timezone.now())
    Drift.objects.create(tenant=closed, kind="leftover_mx", subject="closed.test")
    quiet = lead(make_tenant("Quiet", (("quiet.test", "primary"),)), consultant)
    Task.objects.filter(plan__tenant=quiet).update(status_changed_at=timezone.now() - 9 * DAY)
    confirm_task(fill_fields(task_of(led, "domain-ownership")), by=owner, side="client")
    run_check(led, CheckKind.OWNERSHIP, Verdict.FAIL, code="ownership.not-found")
    question = NewComment("Which site?", asked_side="mimecast")
    add_comment(task_of(led, "initial-conversation"), question, by=owner, side="client")
    cutover_of(led, "outbound", timezone.now() + DAY)
    add_host(led, name="mail.northwind.test", port=25, by=owner, decides=False)
    wait(task_of(led, "account-creation"))

    assert set(kinds(consultant)) == {*Kind} - {Kind.VOTE}
    assert queries.tasks_on_clients(consultant).exists()
    assert kinds(other) == []
    assert not queries.tasks_on_clients(other).exists()
    assert not queries.cutovers_ahead(other, days=14, now=timezone.now())
    assert not queries.desk_tenants(other).exists()


def test_long_list_has_a_link_to_the_rest(led: Tenant, consultant: User, signed_in: SignIn) -> None:
    tasks = Task.objects.filter(plan__tenant=led, is_group=False, applies=True)[:20]
    for task in tasks:
        wait(task, due_on=date(2026, 11, 26))
    client = signed_in(consultant)

    desk = client.get(reverse("onboarding:desk")).content.decode()
    whole = client.get(reverse("onboarding:desk") + "?list=needs").content.decode()

    assert desk.count('data-entry="task"') == 12
    assert ">8 more</a>" in desk
    assert whole.count('data-entry="task"') == 20


def test_desk_follows_a_change_at_once(led: Tenant, consultant: User, signed_in: SignIn) -> None:
    client = signed_in(consultant)
    before = client.get(reverse("onboarding:desk"))
    owner = client_person(led, "owner")

    add_comment(
        task_of(led, "initial-conversation"),
        NewComment("Which site?", asked_side="mimecast"),
        by=owner,
        side="client",
    )
    after = client.get(reverse("onboarding:desk"), headers={"HX-Request": "true"})

    assert before.context["revision"] != after.context["revision"]
    assert "Which site?" in after.content.decode()
    assert "<html" not in after.content.decode()


def test_desk_revision_ignores_other_tenants(
    led: Tenant, make_tenant: MakeTenant, consultant: User, signed_in: SignIn
) -> None:
    other = make_tenant("Theirs", (("theirs.test", "primary"),))
    client = signed_in(consultant)
    address = reverse("onboarding:portfolio-revision") + "?page=desk"
    shown = client.get(reverse("onboarding:desk")).context["revision"]

    other.plan.touch()
    assert client.get(address).content.decode() == shown
    led.plan.touch()
    assert client.get(address).content.decode() != shown


def test_empty_desk_explains_itself(consultant: User, signed_in: SignIn) -> None:
    cache.clear()

    html = signed_in(consultant).get(reverse("onboarding:desk")).content.decode()

    assert "Nothing needs you" in html


def test_proposed_values_are_one_entry_of_their_tenant(led: Tenant, consultant: User) -> None:
    member = client_person(led, "member")
    led.domains.update(ownership_token="", ownership_label="")
    sync_checks(led)
    propose(led, member)
    add_host(led, name="mail.northwind.test", port=25, by=member, decides=False)

    entry = only(consultant, Kind.PROPOSAL)

    assert (entry.group, entry.subject, entry.action) == (
        Group.DUE,
        "2 proposed values",
        "Confirm or reject",
    )
    assert entry.url.endswith("#proposals")
    assert entry.sentence.startswith(f"{member} proposed the ownership code of")


def test_decided_value_is_no_entry(led: Tenant, consultant: User) -> None:
    member = client_person(led, "member")
    led.domains.update(ownership_token="", ownership_label="")
    sync_checks(led)
    domain = propose(led, member)
    confirm_values(domain, OWNERSHIP, by=consultant, expected=expected_of(domain))

    assert Kind.PROPOSAL not in kinds(consultant)


def test_proposal_is_an_entry_of_the_lead_only(
    led: Tenant, consultant: User, administrator: User
) -> None:
    member = client_person(led, "member")
    led.domains.update(ownership_token="", ownership_label="")
    sync_checks(led)
    propose(led, member)

    assert Kind.PROPOSAL in kinds(consultant)
    assert Kind.PROPOSAL not in kinds(administrator)
