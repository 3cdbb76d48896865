"""What people do with tasks: confirm, take back, move, exempt a domain, and undo.

Each act holds the task's row first, so that of two people at once the second sees what the first
did; each remembers what it changed, so that a wrong tick can be taken back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from onboarding.errors import MovedMeanwhile, NotYours, OnboardingError
from onboarding.models import (
    CLOSURE,
    DomainPart,
    Mark,
    Plan,
    Responsibility,
    Sheet,
    Task,
    TaskState,
)
from onboarding.plans import domain_parts, saying
from onboarding.plans.holding import hold_plan
from onboarding.plans.judging import reassess
from onboarding.plans.moves import (
    MOVES,
    SET_DOWN,
    Move,
    Mover,
    Party,
    Place,
    moves_from,
    problem_with,
    refusal,
    said_meanwhile,
    side_waited_for,
)
from onboarding.plans.standing import own_state, refresh_states
from onboarding.plans.undoing import brings_words_back, can_undo, columns, put_back, remember
from onboarding.sheets.kinds import KINDS
from tenants.models import Domain, Tenant, User
from tenants.permissions import Act, Role, may, role_in
from tenants.services import write_activity

_NO_MARK: dict[str, Any] = {
    "mark": Mark.NONE,
    "mark_because": "",
    "marked_at": None,
    "marked_by_id": None,
    "mark_side": "",
    "mark_until": None,
}


def side_of(user: User, tenant: Tenant) -> str:
    """Which side a person speaks for in this tenant: mimecast, client, or neither."""
    return side_of_role(role_in(user, tenant), is_closed=tenant.is_closed)


def side_of_role(role: Role | None, *, is_closed: bool = False) -> str:
    if role is None or not may(role, Act.CONFIRM, is_closed=is_closed):
        return ""
    return Responsibility.MIMECAST if role.is_staff else Responsibility.CLIENT


def mover_of(user: User, tenant: Tenant) -> Mover:
    role = role_in(user, tenant)
    return Mover(side_of(user, tenant), may(role, Act.STEER, is_closed=tenant.is_closed))


def place_of(task: Task) -> Place:
    return Place(
        state=task.state,
        mark=task.mark,
        responsibility=task.responsibility,
        is_group=task.is_group,
        is_optional=task.is_optional,
        is_wait=task.is_wait,
    )


def moves_of(task: Task, mover: Mover) -> list[Move]:
    """What this person can say of the task now."""
    return moves_from(place_of(task), mover)


# --- Confirming


def confirm_task(
    task: Task,
    *,
    by: User,
    side: str,
    domain: Domain | None = None,
    signed: bool = False,
    seen: str = "",
) -> None:
    """One side says that its part is done, for all domains or for one.

    Where a check can prove it, that is a claim. A task whose hard gate is not open cannot be
    confirmed: going ahead would lose mail. One that gathers a sheet is confirmed by signing it off
    (`signed` says that this is what happens), for a change of the sheet must open it again.
    `seen` is the state the person had before them: words that came meanwhile are not wiped unread.
    """
    _refuse_other_side(task, side)
    with transaction.atomic():
        held = _hold(task)
        if not signed and is_confirmed_by_sheet(held):
            raise OnboardingError("Sign its sheet off: that is what confirms this step.")
        if not held.applies:
            raise OnboardingError("This task no longer applies, so there is nothing to confirm.")
        if held.mark in SET_DOWN:
            raise OnboardingError(SET_DOWN[Mark(held.mark)])
        _refuse_unread(held, seen)
        _refuse_single(held, domain)
        _refuse_locked(held)
        if not held.mark and not saying.is_left(held, side, domain):
            # Pressed twice, or by two: what the first one did stays theirs, and theirs to undo.
            return
        now = timezone.now()
        remember(held, by=by)
        saying.speak(held, side, at=now, by=by, domain=domain)
        for name, value in _NO_MARK.items():
            setattr(held, name, value)
        held.save(update_fields=columns(_NO_MARK))
        _after(held, "task-confirmed", by=by, side=side, domain=str(domain or ""))


def withdraw_confirmation(
    task: Task, *, by: User, side: str, domain: Domain | None = None, signed: bool = False
) -> None:
    """One side takes its word back. A proof stands whatever people say."""
    _refuse_other_side(task, side)
    with transaction.atomic():
        held = _hold(task)
        if not signed and is_confirmed_by_sheet(held) and side in held.sheet.signed_sides:
            raise OnboardingError("Its sheet was signed off: take that back at the sheet.")
        _refuse_single(held, domain)
        if not saying.is_said(held, side, domain):
            return
        remember(held, by=by)
        saying.speak(held, side, at=None, by=None, domain=domain)
        _after(held, "confirmation-withdrawn", by=by, side=side, domain=str(domain or ""))


def is_confirmed_by_sheet(task: Task) -> bool:
    """Whether signing its sheet off is what the task asks for."""
    sheet: Sheet | None = getattr(task, "sheet", None)
    return sheet is not None and KINDS[sheet.kind].confirms


def _refuse_unread(task: Task, seen: str) -> None:
    if seen and task.mark and task.state != seen:
        raise MovedMeanwhile(
            said_meanwhile(task.mark, task.mark_because, by=str(task.marked_by or "Somebody"))
        )


def _refuse_single(task: Task, domain: Domain | None) -> None:
    if domain is not None and domain not in saying.scope_of(task):
        raise OnboardingError(f"This task has no part of its own for {domain}.")


def _refuse_other_side(task: Task, side: str) -> None:
    if task.is_group:
        raise OnboardingError("This is a group: it is done when the tasks below it are done.")
    if task.is_wait:
        raise OnboardingError("Only time completes this: nobody can confirm it.")
    if side not in (Responsibility.MIMECAST, Responsibility.CLIENT):
        raise NotYours("You can read this plan, but not confirm its tasks.")
    if task.responsibility not in (side, Responsibility.BOTH):
        other = Responsibility(task.responsibility).label
        raise NotYours(f"This part is {other}'s to confirm.")


def _refuse_locked(task: Task) -> None:
    waits_for = locks_of(task) if task.is_hard_gate else []
    if waits_for:
        titles = " and ".join(f"“{waited.title}”" for waited in waits_for[:2])
        more = f" and {len(waits_for) - 2} more" if len(waits_for) > 2 else ""
        raise OnboardingError(
            f"This waits for {titles}{more}: going ahead before that can lose mail."
        )


def locks_of(task: Task) -> list[Task]:
    """The tasks it depends on that still hold it up."""
    wanted = Task.objects.filter(plan_id=task.plan_id, key__in=task.depends_on)
    return [waited for waited in wanted if waited.holds_up]


def set_responsibility(task: Task, responsibility: str, *, by: User, seen: str = "") -> None:
    """Settle whose task it is, where the article states no side. `seen` is whose it was before."""
    if task.is_wait:
        raise OnboardingError("Only time completes this: it is nobody’s part.")
    if task.responsibility_stated:
        raise OnboardingError("The article states who is responsible for this task.")
    if task.key == CLOSURE:
        raise OnboardingError("Both sides sign the implementation off.")
    with transaction.atomic():
        held = _hold(task)
        if seen and held.responsibility not in (seen, responsibility):
            now = Responsibility(held.responsibility).label
            raise MovedMeanwhile(f"Somebody else chose “{now}” meanwhile. Nothing was changed.")
        held.responsibility = responsibility
        held.undo = None
        held.save(update_fields=["responsibility", "undo"])
        _after(held, "responsibility-changed", by=by, side=responsibility)


# --- Moving


def make_move(
    task: Task,
    key: str,
    *,
    by: User,
    mover: Mover,
    because: str = "",
    until: datetime | None = None,
    seen: str = "",
) -> None:
    """Say something of a task beside done or not. `seen` is the state the person had before them.

    Raises NotYours where the person may not, MovedMeanwhile where the task stands elsewhere by now,
    and OnboardingError where words or a day are missing.
    """
    move = MOVES[key]
    now = timezone.now()
    with transaction.atomic():
        held = _hold(task)
        if seen and held.state != seen:
            raise MovedMeanwhile(_moved(held))
        refused = refusal(move, place_of(held), mover)
        if refused:
            steering = move.party is Party.WHO_STEERS and not mover.may_steer
            raise NotYours(refused) if steering or not mover.side else OnboardingError(refused)
        problem = problem_with(because, until, move, now=now)
        if problem:
            raise OnboardingError(problem)
        remember(held, by=by)
        _set_mark(held, move, by=by, side=mover.side, because=because, until=until, at=now)
        _after(
            held,
            "task-moved",
            by=by,
            move=move.key,
            because=held.mark_because,
            until=until.isoformat() if until and move.asks_until else "",
        )


def _moved(task: Task) -> str:
    who = f" by {task.marked_by}" if task.marked_by is not None else ""
    return (
        f"The task moved meanwhile{who}: it is “{TaskState(task.state).label}” now."
        " Nothing was changed, and your words are kept here."
    )


def _set_mark(
    task: Task,
    move: Move,
    *,
    by: User,
    side: str,
    because: str,
    until: datetime | None,
    at: datetime,
) -> None:
    marked = move.mark is not Mark.NONE
    task.mark = move.mark
    task.mark_because = because.strip() if marked else ""
    task.marked_at = at if marked else None
    task.marked_by = by if marked else None
    task.mark_side = side_waited_for(move, side)
    task.mark_until = until if move.asks_until else None
    task.save(update_fields=columns(_NO_MARK))


def end_acceptances(plan: Plan, *, now: datetime) -> int:
    """Open again what was accepted for a time that is over. Returns how many tasks that were."""
    over = Task.objects.filter(plan=plan, mark=Mark.ACCEPTED, mark_until__lte=now)
    if not over.exists():
        return 0
    with transaction.atomic():
        hold_plan(plan.pk)
        tasks = list(over)
        for task in tasks:
            for name, value in _NO_MARK.items():
                setattr(task, name, value)
            task.undo = None
            task.save(update_fields=[*columns(_NO_MARK), "undo"])
            write_activity(plan.tenant, "acceptance-ended", task=task.title, task_id=task.public_id)
        refresh_states(plan)
        plan.touch()
    return len(tasks)


# --- Exempting a domain


def exempt_domain(task: Task, domain: Domain, *, by: User, because: str) -> None:
    """Leave a domain, never the last one, out of a per-domain task, with the reason: parked."""
    if not task.is_per_domain or domain.role not in task.domain_roles:
        raise OnboardingError(f"This task is not done for {domain}: there is nothing to leave out.")
    if not because.strip():
        raise OnboardingError("Say why the domain is exempt. It is still in scope.")
    _set_exemption(task, domain, by=by, because=because.strip()[:300])


def end_exemption(task: Task, domain: Domain, *, by: User) -> None:
    _set_exemption(task, domain, by=by, because="")


def _set_exemption(task: Task, domain: Domain, *, by: User, because: str) -> None:
    with transaction.atomic():
        held = _hold(task)
        parts = DomainPart.objects.filter(task=held, domain=domain, exempted_at__isnull=False)
        there = parts.select_related("exempted_by").first()
        if there is not None and because:
            raise MovedMeanwhile(
                f"{there.exempted_by or 'Somebody'} exempted {domain} meanwhile:"
                f" “{there.exempt_because}”. Nothing was changed."
            )
        if there is None and not because:
            return
        if because and saying.scope_of(held) == [domain]:
            raise OnboardingError(f"{domain} is the last one: say that the step does not apply.")
        remember(held, by=by)
        DomainPart.objects.update_or_create(
            task=held,
            domain=domain,
            defaults={
                "exempt_because": because,
                "exempted_at": timezone.now() if because else None,
                "exempted_by": by if because else None,
            },
        )
        domain_parts.gather(held, saying.scope_of(held))
        act = "domain-exempted" if because else "exemption-ended"
        _after(held, act, by=by, domain=domain.name, because=because)
        # What the other domains' checks say may now be enough, or no longer.
        reassess(held.plan)


# --- Undoing


def undo_act(task: Task, *, by: User, may_steer: bool, seen: str = "") -> None:
    """Put back what the last person's act changed. What checks proved meanwhile stands. `seen` is
    the moment of the act that the person wants undone."""
    with transaction.atomic():
        held = _hold(task)
        if seen and held.undo and held.undo["at"] != seen:
            raise MovedMeanwhile("Something else was said of it meanwhile. Nothing was undone.")
        if not can_undo(held, by=by, may_steer=may_steer):
            raise OnboardingError("There is nothing of yours to undo here any more.")
        if brings_words_back(held):
            # Taking a word back and undoing that is no way around what it waits for.
            _refuse_locked(held)
        put_back(held)
        domain_parts.gather(held, saying.scope_of(held))
        _after(held, "act-undone", by=by)
        reassess(held.plan)


# --- What every act ends with


def _hold(task: Task) -> Task:
    """The task, held until the transaction ends and read anew; a closed plan moves no more."""
    hold_plan(task.plan_id)
    held = Task.objects.select_related("plan__tenant", "marked_by").get(pk=task.pk)
    if held.plan.tenant.is_closed:
        raise OnboardingError("The case was closed meanwhile. Nothing was changed.")
    return held


def _after(task: Task, act: str, *, by: User, **params: Any) -> None:
    plan = task.plan
    before, after = task.state, own_state(task).value
    write_activity(
        plan.tenant,
        act,
        by=by,
        task=task.title,
        task_id=task.public_id,
        before=before,
        after=after,
        **params,
    )
    refresh_states(plan)
    plan.touch()
