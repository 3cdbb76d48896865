"""The rows behind the desk. Each read starts from a person, and returns at most MOST_ROWS rows."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import (
    BooleanField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)

from checks.engine.outcomes import Verdict
from checks.models import Check
from onboarding.models import (
    Comment,
    Cutover,
    CutoverDecision,
    CutoverVote,
    Drift,
    OnCall,
    PlanRisk,
    Responsibility,
    Task,
    TaskStatus,
)
from onboarding.plans.planned_cutovers import with_domains
from onboarding.portfolio import filters
from onboarding.portfolio.risks import APPROVER_WITHIN
from tenants.models import Domain, Host, Tenant, User
from tenants.queries import tenants_for

# The rows that the desk reads of each source: far more than a person can act on.
MOST_ROWS = 300
_ON_MIMECAST = (Responsibility.MIMECAST, Responsibility.BOTH)
_ON_CLIENT = (Responsibility.CLIENT, Responsibility.BOTH)
# The columns that the entries show.
_TENANT = ("plan__tenant__public_id", "plan__tenant__name", "plan__tenant__time_zone")
_TASK = (
    "public_id", "key", "title", "status", "waiting_on", "waiting_since", "reminded_at", "due_on",
    "applies", "is_group", "phase__key", *_TENANT,
)  # fmt: skip


def desk_tenants(user: User) -> QuerySet[Tenant]:
    """The tenants whose changes concern the desk of a person, including closed ones.

    The person leads them, or is an approver, an assignee or on call in them.
    """
    on_call = OnCall.objects.filter(user=user).values("cutover__plan__tenant")
    approved = Cutover.objects.filter(mimecast_approver=user).values("plan__tenant")
    assigned = Task.objects.filter(assignee=user).values("plan__tenant")
    concerned = Q(consultant=user) | Q(pk__in=approved) | Q(pk__in=assigned) | Q(pk__in=on_call)
    return tenants_for(user).filter(concerned)


def led_tenants(user: User) -> QuerySet[Tenant]:
    """The open tenants that a person leads."""
    return tenants_for(user).filter(consultant=user, closed_at__isnull=True)


def risks_of(user: User) -> QuerySet[PlanRisk]:
    """The stored risks, without those about waiting: the desk lists the waiting tasks."""
    rows = PlanRisk.objects.filter(plan__tenant__in=led_tenants(user))
    rows = rows.exclude(code=PlanRisk.Code.WAITING).select_related("plan__tenant")
    rows = rows.only("code", "position", "params", "cutover_at", "since", *_TENANT)
    return rows.order_by(F("cutover_at").asc(nulls_last=True), "plan", "position")[:MOST_ROWS]


def cutovers_to_vote_on(user: User, *, now: datetime) -> QuerySet[Cutover]:
    """The windows of the next two weeks that wait for the person's vote.

    They are annotated with `has_other_vote`: whether the client's approver has voted.
    """
    of_window = {
        "cutover": OuterRef("pk"),
        "window_start": OuterRef("planned_at"),
        "round": OuterRef("round"),
    }
    decided = CutoverDecision.objects.filter(**of_window)
    votes = CutoverVote.objects.filter(**of_window)
    rows = Cutover.objects.filter(
        ~Exists(decided),
        ~Exists(votes.filter(by=user)),
        mimecast_approver=user,
        planned_at__gt=now,
        planned_at__lte=now + APPROVER_WITHIN,
        plan__tenant__in=tenants_for(user),
        plan__tenant__closed_at__isnull=True,
    )
    other = Exists(votes.filter(by=OuterRef("client_approver")))
    rows = rows.annotate(has_other_vote=other).select_related("plan__tenant", "client_approver")
    rows = rows.only("public_id", "direction", "planned_at", "client_approver__name", *_TENANT)
    return rows.order_by("planned_at", "pk")[:MOST_ROWS]


def open_questions(user: User) -> QuerySet[Comment]:
    """The questions of clients to Mimecast that have no answer, oldest first."""
    rows = Comment.objects.filter(
        Q(author__isnull=True) | Q(author__staff_role=User.StaffRole.NONE),
        plan__tenant__in=led_tenants(user),
        asked_side__in=_ON_MIMECAST,
        answered_at__isnull=True,
        deleted_at__isnull=True,
    )
    rows = rows.select_related("author", "task", "plan__tenant")
    task = ("task__public_id", "task__title")
    rows = rows.only("public_id", "body", "written_at", "author__name", *task, *_TENANT)
    return rows.order_by("written_at", "pk")[:MOST_ROWS]


def proposed_values(user: User) -> QuerySet[Domain]:
    """The domains with values that a client proposed, also rejected ones."""
    rows = Domain.objects.filter(tenant__in=led_tenants(user)).exclude(proposals={})
    return rows.select_related("tenant").order_by("tenant", "name")[:MOST_ROWS]


def proposed_hosts(user: User) -> QuerySet[Host]:
    """The hosts that a client proposed and no consultant has confirmed."""
    rows = Host.objects.filter(
        tenant__in=led_tenants(user), proposed_at__isnull=False, confirmed_at__isnull=True
    )
    return rows.select_related("tenant", "proposed_by").order_by("tenant", "name")[:MOST_ROWS]


def tasks_of_mimecast(user: User) -> QuerySet[Task]:
    """The tasks of the person's tenants that wait on Mimecast, and that no colleague has."""
    # A client who is assigned to a task of both sides does not do Mimecast's part.
    no_colleague = Q(assignee__isnull=True) | Q(assignee__staff_role=User.StaffRole.NONE)
    return _on_mimecast().filter(no_colleague, plan__tenant__in=led_tenants(user))[:MOST_ROWS]


def assigned_tasks(user: User) -> QuerySet[Task]:
    """The tasks assigned to the person that wait on Mimecast, also in tenants of colleagues."""
    seen = tenants_for(user).filter(closed_at__isnull=True)
    return _on_mimecast().filter(assignee=user, plan__tenant__in=seen)[:MOST_ROWS]


def _on_mimecast() -> QuerySet[Task]:
    rows = Task.objects.filter(waiting_on__in=_ON_MIMECAST)
    rows = rows.select_related("plan__tenant", "phase").only(*_TASK)
    return rows.order_by(F("due_on").asc(nulls_last=True), "waiting_since", "pk")


def tasks_on_clients(user: User) -> QuerySet[Task]:
    """The tasks of the person's tenants that wait on the client, longest wait first."""
    rows = Task.objects.filter(plan__tenant__in=led_tenants(user), waiting_on__in=_ON_CLIENT)
    rows = rows.select_related("plan__tenant", "phase", "assignee")
    return rows.order_by("waiting_since", "pk")


def for_rows(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """The tasks with the columns that a page shows."""
    return tasks.select_related(None).select_related("plan__tenant", "phase").only(*_TASK)


def maybe_contradicted_tasks(user: User) -> QuerySet[Task]:
    """The confirmed tasks of tenants with a failed run. Their evidence decides."""
    failed = Check.objects.filter(
        tenant=OuterRef("plan__tenant"), is_active=True, latest__verdict=Verdict.FAIL
    )
    rows = Task.objects.filter(
        Exists(failed), plan__tenant__in=led_tenants(user), status=TaskStatus.AWAITING_VERIFICATION
    )
    rows = rows.select_related(
        "plan__tenant", "phase", "mimecast_confirmed_by", "client_confirmed_by"
    )
    return rows.order_by("status_changed_at", "pk")[:MOST_ROWS]


def drifts_of_closed_tenants(user: User, *, now: datetime) -> QuerySet[Drift]:
    """The open drifts of closed tenants that are not muted. An open tenant has a stored risk."""
    closed = tenants_for(user).filter(consultant=user, closed_at__isnull=False)
    rows = filters.unmuted_drifts(now).filter(tenant__in=closed).select_related("tenant")
    return rows.order_by("-opened_at", "pk")[:MOST_ROWS]


def quiet_tenants(user: User, *, days: int, now: datetime) -> QuerySet[Tenant]:
    """The tenants with open tasks, none of which changed its status within so many days.

    They are annotated with `moved_at`, the time of the last change, and `waits_on_client`: whether
    open tasks wait on the client, and none on Mimecast. So many working days are at least so many
    days: the calendar of the tenant decides about the rest.
    """
    tasks = Task.objects.filter(plan__tenant=OuterRef("pk")).order_by("-status_changed_at")
    moved = tasks.filter(status_changed_at__gte=now - timedelta(days=days))
    rows = led_tenants(user).filter(filters.active(), ~Exists(moved))
    rows = rows.annotate(
        moved_at=Subquery(tasks.values("status_changed_at")[:1]),
        waits_on_client=ExpressionWrapper(
            Q(Exists(tasks.filter(waiting_on__in=_ON_CLIENT)))
            & ~Q(Exists(tasks.filter(waiting_on__in=_ON_MIMECAST))),
            output_field=BooleanField(),
        ),
    )
    plan = ("plan__tasks_total", "plan__tasks_complete")
    rows = rows.select_related(None).select_related("plan")
    rows = rows.only("public_id", "name", "time_zone", *plan)
    return rows.order_by("moved_at", "pk")[:MOST_ROWS]


def cutovers_ahead(user: User, *, days: int, now: datetime) -> QuerySet[Cutover]:
    """The cutovers of the next days whose window is not over, in the order of their windows.

    One day more, because the days are those of each tenant's time zone. Those of the tenants that
    the person leads, and those in which they are the approver or on call.
    """
    concerned = (
        Q(plan__tenant__consultant=user)
        | Q(mimecast_approver=user)
        | Q(pk__in=OnCall.objects.filter(user=user).values("cutover"))
    )
    rows = Cutover.objects.filter(
        concerned,
        plan__tenant__in=tenants_for(user),
        plan__tenant__closed_at__isnull=True,
        planned_at__gt=now - timedelta(days=2),
        planned_at__lt=now + timedelta(days=days + 1),
    )
    return with_domains(rows.select_related("plan__tenant"))[:MOST_ROWS]
