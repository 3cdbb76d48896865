"""The table of transitions: its rules, and the same answer on the page and in the services."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from checks.engine.outcomes import CheckKind
from checks.models import Check, Observation
from onboarding.errors import NotPermitted, OnboardingError
from onboarding.models import (
    ManualStatus,
    RequirementsSheet,
    Responsibility,
    Task,
    TaskStatus,
)
from onboarding.plans import services
from onboarding.plans.assignment import assign_task
from onboarding.plans.dates import set_due_date
from onboarding.plans.domain_progress import progress_by_task
from onboarding.plans.field_services import fingerprint, load_field_rows, save_fields
from onboarding.plans.plan_context import PlanContext
from onboarding.plans.queries import tasks_of
from onboarding.plans.recipients import side_of
from onboarding.plans.rollup import recompute_rollup
from onboarding.plans.rows import TaskRow, Viewer, rows_of
from onboarding.plans.safe_times import OLD_ROUTE_ROLES, safe_times_of
from onboarding.plans.task_fields import FieldRow, FieldType
from onboarding.plans.transitions import (
    ASSIGN,
    CONFIRM,
    EXEMPT_DOMAIN,
    INCLUDE_DOMAIN,
    SET_DUE_DATE,
    SET_FIELDS,
    SET_RESPONSIBILITY,
    STATUS_CHANGES,
    TRANSITIONS,
    UNDO,
    WITHDRAW_CONFIRMATION,
    Actor,
    TransitionContext,
    available_status_changes,
    input_error,
    is_permitted,
    waiting_side_after,
    why_not,
)
from tenants.models import ActivityLine, Domain, Membership, Tenant, User
from tests.factories import MakeTenant, fill_fields, task_of

CLIENT = Actor("client", may_manage_plan=False)
CONSULTANT = Actor("mimecast", may_manage_plan=True)
VIEWER = Actor("", may_manage_plan=False)
NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


def task(status: TaskStatus = TaskStatus.TODO, **other: Any) -> Task:
    return Task(status=status, **({"responsibility": Responsibility.BOTH} | other))


def keys(of: Task, actor: Actor) -> list[str]:
    return [transition.key for transition in available_status_changes(of, actor)]


# --- The table


@pytest.mark.parametrize(
    ("status", "by_client", "by_consultant"),
    [
        (TaskStatus.TODO, "start wait block", "start wait block accept-risk mark-not-needed"),
        (
            TaskStatus.IN_PROGRESS,
            "wait block resume",
            "wait block resume accept-risk mark-not-needed",
        ),
        (
            TaskStatus.WAITING,
            "start block resume",
            "start block resume accept-risk mark-not-needed",
        ),
        (TaskStatus.BLOCKED, "start wait resume", "start wait resume accept-risk mark-not-needed"),
        (
            TaskStatus.PARTLY_CONFIRMED,
            "start wait block",
            "start wait block accept-risk mark-not-needed",
        ),
        (
            TaskStatus.AWAITING_VERIFICATION,
            "start wait block",
            "start wait block accept-risk mark-not-needed",
        ),
        (TaskStatus.REGRESSED, "start wait block", "start wait block accept-risk mark-not-needed"),
        (TaskStatus.DONE, "", ""),
        (TaskStatus.VERIFIED, "", ""),
        (TaskStatus.DECLINED, "reconsider", "reconsider"),
        (TaskStatus.ACCEPTED_RISK, "", "restore"),
        (TaskStatus.NOT_APPLICABLE, "", "restore"),
    ],
)
def test_status_changes_by_status(status: TaskStatus, by_client: str, by_consultant: str) -> None:
    assert keys(task(status), CLIENT) == by_client.split()
    assert keys(task(status), CONSULTANT) == by_consultant.split()
    assert keys(task(status), VIEWER) == []


def test_only_optional_task_can_be_declined() -> None:
    assert "decline" in keys(task(is_optional=True), CLIENT)
    assert "decline" not in keys(task(), CLIENT)


def test_restore_reverts_manual_status_only() -> None:
    by_person = task(TaskStatus.NOT_APPLICABLE, manual_status=ManualStatus.NOT_NEEDED)
    by_profile = task(TaskStatus.NOT_APPLICABLE, applies=False)

    assert keys(by_person, CONSULTANT) == ["restore"]
    assert why_not(by_profile, TRANSITIONS["restore"], CONSULTANT) == (
        "The tenant’s profile excludes this task. Change the profile to include it."
    )


def test_side_limits_client_not_consultant() -> None:
    theirs = task(responsibility=Responsibility.MIMECAST)

    assert why_not(theirs, TRANSITIONS["block"], CLIENT) == (
        "Mimecast is responsible for this task."
    )
    assert "block" in keys(task(responsibility="client"), CONSULTANT)


def test_consultant_cannot_confirm_for_client() -> None:
    assert why_not(task(responsibility="client"), CONFIRM, CONSULTANT) == (
        "The client is responsible for this task."
    )


def test_group_has_no_status_changes() -> None:
    assert keys(task(is_group=True), CONSULTANT) == []


@pytest.mark.parametrize("transition", TRANSITIONS.values(), ids=TRANSITIONS)
def test_viewer_is_not_permitted(transition: Any) -> None:
    assert why_not(task(), transition, VIEWER) == (
        "Your role allows you to read this plan, not to change its tasks."
    )
    assert not is_permitted(task(), transition, VIEWER)


def test_closed_gate_names_its_tasks() -> None:
    waiting = [Task(title=title) for title in ("One", "Two", "Three")]
    gate = task(is_hard_gate=True)

    assert why_not(gate, CONFIRM, CLIENT, TransitionContext(open_dependencies=waiting)) == (
        "This task waits for “One” and “Two” and 1 more. Going ahead before that can lose mail."
    )
    assert why_not(gate, CONFIRM, CLIENT) == ""


@pytest.mark.parametrize(
    ("transition", "reason", "until", "error"),
    [
        ("start", "", None, ""),
        ("block", "  ", None, "Enter a reason. Others read it later."),
        ("block", "The change board meets on Friday.", None, ""),
        ("block", "x" * 501, None, "Enter at most 500 characters. You entered 501."),
        ("accept-risk", "Their host changes in May.", None, "Enter an end date in the future."),
        ("accept-risk", "Their host changes in May.", NOW, "Enter an end date in the future."),
        (
            "accept-risk",
            "Their host changes in May.",
            NOW + timedelta(days=366),
            "A risk is accepted for one year at most. Choose an earlier day.",
        ),
        ("accept-risk", "Their host changes in May.", NOW + timedelta(days=30), ""),
    ],
)
def test_input_error(transition: str, reason: str, until: datetime | None, error: str) -> None:
    assert input_error(reason, until, TRANSITIONS[transition], now=NOW) == error


def test_wait_is_on_other_side() -> None:
    assert waiting_side_after(TRANSITIONS["wait"], "client") == "mimecast"
    assert waiting_side_after(TRANSITIONS["wait"], "mimecast") == "client"
    assert waiting_side_after(TRANSITIONS["block"], "mimecast") == ""


# --- The page and the services give the same answer

ROLES = ("consultant", "manager", "owner", "member", "viewer")
KEY = "initial-conversation"  # both sides, no check
PER_DOMAIN = "dkim-update"

# The facts from which the roll-up computes each status.
FACTS: dict[TaskStatus, Callable[[User], dict[str, Any]]] = {
    TaskStatus.TODO: lambda by: {},
    TaskStatus.IN_PROGRESS: lambda by: {"manual_status": ManualStatus.IN_PROGRESS},
    TaskStatus.WAITING: lambda by: {"manual_status": ManualStatus.WAITING},
    TaskStatus.BLOCKED: lambda by: {"manual_status": ManualStatus.BLOCKED},
    TaskStatus.PARTLY_CONFIRMED: lambda by: {
        "client_confirmed_at": NOW,
        "client_confirmed_by": by,
    },
    TaskStatus.AWAITING_VERIFICATION: lambda by: {
        "client_confirmed_at": NOW,
        "client_confirmed_by": by,
        "mimecast_confirmed_at": NOW,
        "check_kinds": ["dmarc"],
    },
    TaskStatus.REGRESSED: lambda by: {
        "regressed_at": NOW + timedelta(hours=1),
        "client_confirmed_at": NOW,
        "client_confirmed_by": by,
        "check_kinds": ["dmarc"],
    },
    TaskStatus.DONE: lambda by: {
        "client_confirmed_at": NOW,
        "client_confirmed_by": by,
        "mimecast_confirmed_at": NOW,
    },
    TaskStatus.VERIFIED: lambda by: {"verified_at": NOW, "check_kinds": ["dmarc"]},
    TaskStatus.ACCEPTED_RISK: lambda by: {
        "manual_status": ManualStatus.ACCEPTED_RISK,
        "accepted_until": NOW + timedelta(days=900),
    },
    TaskStatus.DECLINED: lambda by: {"manual_status": ManualStatus.DECLINED},
    TaskStatus.NOT_APPLICABLE: lambda by: {"manual_status": ManualStatus.NOT_NEEDED},
}


@pytest.fixture
def small(make_tenant: MakeTenant) -> Tenant:
    """A tenant with two domains whose plan has few tasks, so that each call is fast."""
    made = make_tenant(domains=(("one.test", "primary"), ("two.test", "secondary")))
    kept = [KEY, PER_DOMAIN, "case-closure", "branding", "outbound-cutover"]
    Task.objects.filter(plan=made.plan).exclude(key__in=kept).delete()
    Task.objects.filter(plan=made.plan).update(
        responsibility="both", responsibility_stated=False, depends_on=[]
    )
    return made


def user_in(tenant: Tenant, role: str) -> User:
    is_staff = role in ("consultant", "manager")
    user = User.objects.create_user(
        f"{role}@roles.test", "pw", name=role, staff_role=role if is_staff else ""
    )
    if not is_staff:
        Membership.objects.create(tenant=tenant, user=user, role=role)
    return user


def row_for(tenant: Tenant, key: str, user: User) -> TaskRow:
    progress = progress_by_task(tenant)
    plan_context = PlanContext.of(tenant)
    safety = safe_times_of(tenant, plan_context.checks, now=timezone.now())
    viewer = Viewer(services.actor_for(user, tenant), safety, progress)
    rows = rows_of(list(tasks_of(tenant.plan)), plan_context, viewer)
    return next(row for row in rows if row.task.key == key)


def on_page(row: TaskRow) -> dict[str, bool]:
    """The transitions that the page offers, for the task and for its domains."""
    offered = {
        CONFIRM.key: row.can_confirm,
        WITHDRAW_CONFIRMATION.key: row.can_withdraw,
        SET_RESPONSIBILITY.key: row.can_set_responsibility,
        UNDO.key: row.can_undo,
        ASSIGN.key: row.can_assign,
        SET_DUE_DATE.key: row.can_set_due_date,
        **dict.fromkeys(STATUS_CHANGES, False),
        **{change.key: True for change in row.status_changes},
    }
    if _first_value(row.context.field_rows) is not None:
        offered[SET_FIELDS.key] = row.can_set_fields
    for part in row.domain_rows:
        offered |= {
            f"{CONFIRM.key} {part.domain}": part.can_confirm,
            f"{WITHDRAW_CONFIRMATION.key} {part.domain}": part.can_withdraw,
            f"{EXEMPT_DOMAIN.key} {part.domain}": part.can_exempt,
            f"{INCLUDE_DOMAIN.key} {part.domain}": part.can_include,
        }
    return offered


def _first_value(rows: Sequence[FieldRow]) -> FieldRow | None:
    """The first field whose value the form saves."""
    return next((row for row in rows if row.definition.type is not FieldType.FILE), None)


# Different from the values of `fill_fields`.
OTHER_VALUES: dict[FieldType, Any] = {
    FieldType.DATE: "2025-12-24",
    FieldType.PEOPLE: ["Eve Example"],
    FieldType.NUMBER: 7,
    FieldType.TEXT: "Another text",
}


def calls_for(tenant: Tenant, key: str, user: User) -> dict[str, Callable[[], object]]:
    """The service call of each transition."""
    of = task_of(tenant, key)
    side = side_of(user, tenant)
    other = "client" if of.responsibility != "client" else "mimecast"
    calls: dict[str, Callable[[], object]] = {
        CONFIRM.key: lambda: services.confirm_task(of, by=user, side=side),
        WITHDRAW_CONFIRMATION.key: lambda: services.withdraw_confirmation(of, by=user, side=side),
        SET_RESPONSIBILITY.key: lambda: services.set_responsibility(of, other, by=user),
        UNDO.key: lambda: services.undo_last_action(of, by=user),
        ASSIGN.key: lambda: assign_task(of, "", by=user),
        SET_DUE_DATE.key: lambda: set_due_date(of, NOW.date(), by=user),
    }
    fields = load_field_rows(of, tenant)
    field = _first_value(fields)
    if field is not None:
        calls[SET_FIELDS.key] = functools.partial(
            save_fields,
            of,
            {field.name: OTHER_VALUES[field.definition.type]},
            by=user,
            actor=services.actor_for(user, tenant),
            expected=fingerprint(fields),
        )
    for change in STATUS_CHANGES:
        calls[change] = functools.partial(
            services.make_transition,
            of,
            change,
            by=user,
            actor=services.actor_for(user, tenant),
            reason="A reason.",
            until=timezone.now() + timedelta(days=30),
        )
    if of.is_per_domain:
        for domain in tenant.domains.all():
            calls |= calls_for_domain(of, domain, user, side)
    return calls


def calls_for_domain(
    of: Task, domain: Domain, user: User, side: str
) -> dict[str, Callable[[], object]]:
    return {
        f"{CONFIRM.key} {domain}": lambda: services.confirm_task(
            of, by=user, side=side, domain=domain
        ),
        f"{WITHDRAW_CONFIRMATION.key} {domain}": lambda: services.withdraw_confirmation(
            of, by=user, side=side, domain=domain
        ),
        f"{EXEMPT_DOMAIN.key} {domain}": lambda: services.exempt_domain(
            of, domain, by=user, reason="Parked."
        ),
        f"{INCLUDE_DOMAIN.key} {domain}": lambda: services.end_exemption(of, domain, by=user),
    }


def accepts(tenant: Tenant, call: Callable[[], object]) -> bool:
    """Whether the service makes the transition: it raises nothing and writes an activity line."""
    lines = ActivityLine.objects.filter(tenant=tenant)
    before = lines.count()
    with transaction.atomic():
        try:
            call()
        except OnboardingError:
            return False
        finally:
            is_written = lines.count() > before
            transaction.set_rollback(True)
    return is_written


def in_services(tenant: Tenant, key: str, user: User) -> dict[str, bool]:
    Task.objects.filter(plan=tenant.plan, key=key).update(assignee=user)
    return {name: accepts(tenant, call) for name, call in calls_for(tenant, key, user).items()}


def test_every_transition_is_compared(small: Tenant) -> None:
    user = user_in(small, "consultant")
    named = {
        name.split()[0]
        for key in (KEY, PER_DOMAIN)
        for name in (*on_page(row_for(small, key, user)), *calls_for(small, key, user))
    }

    assert named == set(TRANSITIONS)


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("status", TaskStatus)
@pytest.mark.parametrize("key", [KEY, PER_DOMAIN])
def test_page_and_service_agree(small: Tenant, key: str, status: TaskStatus, role: str) -> None:
    user = user_in(small, role)
    Task.objects.filter(plan=small.plan, key=key).update(**FACTS[status](user))
    recompute_rollup(small.plan)
    row = row_for(small, key, user)
    assert row.task.status == status or key == PER_DOMAIN

    assert on_page(row) == in_services(small, key, user)


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "mimecast": (KEY, {"responsibility": "mimecast"}),
    "client": (KEY, {"responsibility": "client"}),
    "group": (KEY, {"is_group": True}),
    "optional": (KEY, {"is_optional": True}),
    "timed": (KEY, {"wait_after": "outbound-cutover"}),
    "closed-gate": (KEY, {"is_hard_gate": True, "depends_on": ["outbound-cutover"]}),
    "excluded": (KEY, {"applies": False}),
    "stated-side": (KEY, {"responsibility_stated": True}),
    "closure": ("case-closure", {}),
    "sheet": ("branding", {}),
    "per-domain": (PER_DOMAIN, {}),
    "per-domain-client": (PER_DOMAIN, {"responsibility": "client"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_page_and_service_agree_on_kind(small: Tenant, variant: str, role: str) -> None:
    key, values = VARIANTS[variant]
    user = user_in(small, role)
    Task.objects.filter(plan=small.plan, key=key).update(**values)
    recompute_rollup(small.plan)

    assert on_page(row_for(small, key, user)) == in_services(small, key, user)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("hours", [1, 24 * 8], ids=["before-safe-time", "after-safe-time"])
def test_page_and_service_agree_on_lockdown(small: Tenant, hours: int, role: str) -> None:
    user = user_in(small, role)
    switch_mx(small, timezone.now() - timedelta(hours=hours))
    Task.objects.filter(plan=small.plan, key=KEY).update(role="lockdown", is_hard_gate=True)
    recompute_rollup(small.plan)
    fill_fields(task_of(small, KEY))
    row = row_for(small, KEY, user)

    assert row.context.must_wait_for_time is (hours == 1)
    if role in ("consultant", "owner"):
        assert on_page(row)[CONFIRM.key] is (hours > 1)
    assert on_page(row) == in_services(small, KEY, user)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("task_role", OLD_ROUTE_ROLES)
@pytest.mark.parametrize("newest", ["none", "silent", "old-hosts"])
def test_page_and_service_agree_without_safe_time(
    small: Tenant, newest: str, task_role: str, role: str
) -> None:
    user = user_in(small, role)
    now = timezone.now()
    if newest != "none":
        switch_mx(small, now - timedelta(days=8))
        observe_mx(small, now, ["10 old.test"] if newest == "old-hosts" else None)
    Task.objects.filter(plan=small.plan, key=KEY).update(role=task_role, is_hard_gate=True)
    recompute_rollup(small.plan)
    fill_fields(task_of(small, KEY))
    row = row_for(small, KEY, user)

    assert (row.context.must_wait_for_time, row.icon_label) == (True, "Safe time unknown")
    assert row.safety is not None
    assert row.safety.is_unknown
    assert not on_page(row)[CONFIRM.key]
    assert on_page(row) == in_services(small, KEY, user)


def switch_mx(tenant: Tenant, at: datetime) -> None:
    """Every domain published old hosts with a TTL of two hours until then."""
    observe_mx(tenant, at - timedelta(hours=1), ["10 old.test"])
    observe_mx(tenant, at, [f"10 {host}" for host in tenant.region_values.mx])


def observe_mx(tenant: Tenant, at: datetime, values: Sequence[str] | None) -> None:
    """The name server of every domain gives these MX records; without values, no answer."""
    row: dict[str, Any] = {"name": "ns1.test", "address": "192.0.2.1", "status": "timeout"}
    if values is not None:
        row |= {"status": "records", "values": values, "ttl": 7200}
    for check in Check.objects.filter(tenant=tenant, kind=CheckKind.MX):
        Observation.objects.create(
            check_asked=check,
            verdict="unknown" if values is None else "fail" if "10 old.test" in values else "pass",
            evidence={"servers": [row]},
            digest=f"{check.pk}{at}",
            first_seen_at=at,
            last_seen_at=at,
        )
    # Without a newest observation of the check, stored safe times remain valid.
    cache.clear()


@pytest.mark.parametrize("role", ROLES)
def test_page_and_service_agree_after_sign_off(small: Tenant, role: str) -> None:
    user = user_in(small, role)
    RequirementsSheet.objects.filter(task__plan=small.plan, task__key="branding").update(
        mimecast_signed_at=NOW, client_signed_at=NOW
    )
    Task.objects.filter(plan=small.plan, key="branding").update(
        mimecast_confirmed_at=NOW, client_confirmed_at=NOW
    )
    recompute_rollup(small.plan)

    assert on_page(row_for(small, "branding", user)) == in_services(small, "branding", user)


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("is_exempt", [False, True], ids=["in-scope", "exempt"])
def test_page_and_service_agree_on_domains(
    small: Tenant, consultant: User, role: str, is_exempt: bool
) -> None:
    user = user_in(small, role)
    one, two = small.domains.order_by("name")
    side = side_of(user, small)
    if side:
        services.confirm_task(task_of(small, PER_DOMAIN), by=user, side=side, domain=one)
    if is_exempt:
        services.exempt_domain(
            task_of(small, PER_DOMAIN), two, by=consultant, reason="It never sends mail."
        )

    assert on_page(row_for(small, PER_DOMAIN, user)) == in_services(small, PER_DOMAIN, user)


@pytest.mark.parametrize("role", ROLES)
def test_page_and_service_agree_on_undo(small: Tenant, owner_of_small: User, role: str) -> None:
    gate = {"is_hard_gate": True, "depends_on": []}
    Task.objects.filter(plan=small.plan, key=KEY).update(**gate)
    fill_fields(task_of(small, KEY))
    services.confirm_task(task_of(small, KEY), by=owner_of_small, side="client")
    services.withdraw_confirmation(task_of(small, KEY), by=owner_of_small, side="client")
    user = owner_of_small if role == "owner" else user_in(small, role)

    assert on_page(row_for(small, KEY, user))[UNDO.key] is (role in ("consultant", "owner"))
    assert on_page(row_for(small, KEY, user)) == in_services(small, KEY, user)

    Task.objects.filter(plan=small.plan, key=KEY).update(depends_on=["outbound-cutover"])
    assert on_page(row_for(small, KEY, user))[UNDO.key] is False
    assert on_page(row_for(small, KEY, user)) == in_services(small, KEY, user)


@pytest.fixture
def owner_of_small(small: Tenant) -> User:
    return user_in(small, "owner")


def test_refusal_by_role_raises_not_permitted(small: Tenant) -> None:
    with pytest.raises(NotPermitted, match="Only a consultant can do this"):
        services.set_responsibility(task_of(small, KEY), "client", by=user_in(small, "owner"))
