"""The go/no-go vote: one approver of each side, and one decision with its evidence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from onboarding.cutovers.blockers import RiskNotAccepted
from onboarding.cutovers.cutover_events import add_decision
from onboarding.cutovers.readiness import ReadinessFacts, ReadinessRow
from onboarding.cutovers.snapshots import digest_of
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Cutover, CutoverDecision, CutoverVote, Responsibility
from onboarding.models.cutovers import join_names
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import Membership, Notification, Tenant, User
from tenants.notifications import mark_read, notify, withdraw
from tenants.services import write_activity


@dataclass(frozen=True)
class Vote:
    """An approver's vote on the window and round that the page showed.

    `blockers` are the keys of the blocking rows on that page.
    """

    planned_at: datetime
    round: int
    is_go: bool
    comment: str = ""
    accepted_risk: str = ""
    blockers: Collection[str] = ()


def staff_approvers() -> QuerySet[User]:
    """The people who may be Mimecast's approver: staff with permission to vote."""
    roles = [User.StaffRole.ADMINISTRATOR, User.StaffRole.CONSULTANT]
    return User.objects.filter(is_active=True, staff_role__in=roles).order_by("name")


def client_approvers(tenant: Tenant) -> QuerySet[User]:
    owners = Membership.objects.filter(tenant=tenant, role=Membership.Role.OWNER)
    people = User.objects.filter(pk__in=owners.values("user"), is_active=True)
    return people.filter(Q(staff_role=User.StaffRole.NONE)).order_by("name")


def name_approvers(
    cutover: Cutover, *, mimecast: User | None, client: User | None, by: User
) -> None:
    """Set the approvers. Raises ConflictingChange after the decision."""
    tenant = cutover.plan.tenant
    with transaction.atomic():
        locked = _lock(cutover)
        if current_decision(locked) is not None:
            raise ConflictingChange("This window has been decided already.")
        Cutover.objects.filter(pk=locked.pk).update(
            mimecast_approver=mimecast, client_approver=client
        )
        write_activity(
            tenant,
            ActivityName.APPROVERS_SET,
            by=by,
            direction=locked.direction,
            domains=cutover.domain_summary,
            cutover_id=cutover.public_id,
            names=[person.name for person in (mimecast, client) if person is not None],
        )
        locked.refresh_from_db(fields=["mimecast_approver", "client_approver"])
        request_votes(locked, by=by)
        cutover.plan.touch()


def request_votes(cutover: Cutover, *, by: User | None) -> None:
    """Notify the approvers of the current window who have not voted on it, each once.

    Former approvers and former windows need no vote any more. Call it in the transaction that
    changes the approvers or resets the votes.
    """
    tenant = cutover.plan.tenant
    approvers = [cutover.mimecast_approver, cutover.client_approver]
    source = f"{_vote_source(cutover)}:{cutover.planned_at.isoformat()}:{cutover.round}"
    outdated = Notification.objects.filter(tenant=tenant, source__startswith=_vote_source(cutover))
    outdated.exclude(source=source, recipient__in=[a for a in approvers if a]).delete()
    voted = {vote.by_id for vote in current_votes(cutover).values()}
    notify(
        tenant,
        Notification.Kind.VOTE,
        [person for person in approvers if person is not None and person.pk not in voted],
        source=source,
        by=by,
        **_params(cutover),
    )


def withdraw_votes(cutover: Cutover) -> None:
    """Delete the requests to vote on a cutover that is cancelled."""
    withdraw(cutover.plan.tenant, _vote_source(cutover))


def _vote_source(cutover: Cutover) -> str:
    return f"vote:{cutover.public_id}"


def _end_request(cutover: Cutover, person: User) -> None:
    """The person has voted: their request is read."""
    mine = Notification.objects.filter(tenant=cutover.plan.tenant, recipient=person)
    mark_read(mine.filter(source__startswith=_vote_source(cutover)))


def _params(cutover: Cutover) -> dict[str, Any]:
    return {
        "cutover_id": cutover.public_id,
        "direction": cutover.direction,
        "domains": cutover.domain_summary,
        "planned_at": cutover.planned_at.isoformat(),
    }


def _notify(cutover: Cutover, made: CutoverDecision | None, *, by: User) -> None:
    """End the request to vote, and announce a decision."""
    _end_request(cutover, by)
    if made is not None:
        _notify_of_decision(cutover, made, by=by)


def _notify_of_decision(cutover: Cutover, decision: CutoverDecision, *, by: User) -> None:
    """Notify the consultant and the approvers. Nothing remains to vote on."""
    withdraw_votes(cutover)
    tenant = cutover.plan.tenant
    people = (tenant.consultant, cutover.mimecast_approver, cutover.client_approver)
    notify(
        tenant,
        Notification.Kind.DECISION,
        {person.pk: person for person in people if person is not None}.values(),
        source=f"decision:{cutover.public_id}:{decision.window_start.isoformat()}:{decision.round}",
        by=by,
        is_go=decision.is_go,
        **_params(cutover),
    )


def current_decision(cutover: Cutover) -> CutoverDecision | None:
    """The decision on the current window and domains. A change of either needs a new decision."""
    return CutoverDecision.objects.filter(
        cutover=cutover, window_start=cutover.planned_at, round=cutover.round
    ).first()


def current_votes(cutover: Cutover) -> dict[str, CutoverVote]:
    """The newest vote of each side's current approver on the current window and domains."""
    votes = CutoverVote.objects.filter(
        cutover=cutover, window_start=cutover.planned_at, round=cutover.round
    )
    approver_ids = {
        Responsibility.MIMECAST.value: cutover.mimecast_approver_id,
        Responsibility.CLIENT.value: cutover.client_approver_id,
    }
    newest = votes.select_related("by").order_by("voted_at", "pk")
    return {vote.side: vote for vote in newest if approver_ids.get(vote.side) == vote.by_id}


def cast_vote(
    cutover: Cutover,
    vote: Vote,
    rows: Sequence[ReadinessRow],
    facts: ReadinessFacts,
    *,
    by: User,
) -> CutoverDecision | None:
    """Record an approver's vote, and return the decision if the vote completes it.

    1. One no-go, or two goes, make the decision.
    2. With blockers, a go needs an accepted risk. It covers only the blockers on the page. New
       blockers need a separate acceptance and invalidate earlier goes.
    3. The decision stores the rows, evidence and votes of this time. Of two concurrent votes only
       one makes it.

    Raises OnboardingError or ConflictingChange, and then records nothing.
    """
    side = cutover.approver_side(by)
    if not side:
        raise OnboardingError("Only the two approvers can vote. Nothing was recorded.")
    blockers = [row for row in rows if row.is_blocking]
    if vote.is_go:
        _require_accepted_risk(vote, blockers)
    with transaction.atomic():
        locked = _lock(cutover)
        shown = (vote.planned_at, vote.round)
        if (locked.planned_at, locked.round) != shown or locked.approver_side(by) != side:
            raise ConflictingChange(
                "The cutover has changed since you opened the page. Nothing was recorded."
            )
        if current_decision(locked) is not None:
            raise ConflictingChange("This window has been decided already.")
        stored = CutoverVote.objects.create(
            cutover=locked,
            window_start=locked.planned_at,
            round=locked.round,
            side=side,
            by=by,
            is_go=vote.is_go,
            comment=vote.comment,
            accepted_risk=vote.accepted_risk if blockers else "",
            blockers=[row.key for row in blockers],
        )
        made = _decide(locked, rows, facts)
        _log_activity(cutover, stored, made)
        _notify(locked, made, by=by)
        cutover.plan.touch()
    return made


def _require_accepted_risk(vote: Vote, blockers: Sequence[ReadinessRow]) -> None:
    """Raise unless the go accepts the risk of every blocker."""
    titles = ", ".join(row.title for row in blockers)
    if blockers and not vote.accepted_risk:
        raise RiskNotAccepted(
            f"Blocking: {titles}. Enter a reason for going ahead anyway. Nothing was recorded."
        )
    new = [f"“{row.title}”" for row in blockers if row.key not in vote.blockers]
    if new:
        verb = "blocks" if len(new) == 1 else "block"
        raise ConflictingChange(
            f"The readiness has changed since you opened the page: {join_names(new)} now {verb} the"
            " cutover too. Nothing was recorded."
        )


def is_outdated(vote: CutoverVote, rows: Sequence[ReadinessRow]) -> bool:
    """Whether the vote is a go that does not cover a current blocker."""
    return vote.is_go and any(r.is_blocking and r.key not in vote.blockers for r in rows)


def _lock(cutover: Cutover) -> Cutover:
    locked = Cutover.objects.select_for_update(no_key=True).filter(pk=cutover.pk).first()
    if locked is None:
        raise ConflictingChange("The cutover has been cancelled. Nothing was recorded.")
    return locked


def _decide(
    cutover: Cutover, rows: Sequence[ReadinessRow], facts: ReadinessFacts
) -> CutoverDecision | None:
    current = current_votes(cutover)
    votes = {side: vote for side, vote in current.items() if not is_outdated(vote, rows)}
    refused = any(not vote.is_go for vote in votes.values())
    if not refused and len(votes) < 2:
        return None
    content = decision_content(rows, facts, current if refused else votes)
    return CutoverDecision.objects.create(
        cutover=cutover,
        window_start=cutover.planned_at,
        round=cutover.round,
        is_go=not refused,
        decided_at=database_time.now(),
        content=content,
        digest=digest_of(content),
    )


def decision_content(
    rows: Sequence[ReadinessRow], facts: ReadinessFacts, votes: dict[str, CutoverVote]
) -> dict[str, Any]:
    """Readiness, evidence and votes as plain JSON. Stored decisions carry its digest.

    To rename a key, add the old one to EARLIER_ROW_KEYS.
    """
    checks = {
        subject.check.pk: subject.check
        for subjects in facts.subjects.values()
        for subject in subjects
        if subject.check is not None
    }
    return {
        "domains": [str(domain) for domain in facts.cutover.domains.all()],
        "rows": [
            {
                "key": row.key,
                "title": row.title,
                "verdict": row.verdict.value,
                "detail": row.detail,
                "remedy": row.remedy,
                "task": row.task.public_id if row.task is not None else "",
            }
            for row in rows
        ],
        "evidence": [
            {
                "kind": check.kind,
                "subject": check.subject,
                # As on the page: a verdict on a proposed value does not count.
                "settled": "" if check.is_proposed else check.settled_verdict,
                "check": check.public_id,
                "observation": check.latest.public_id if check.latest is not None else "",
                "checked_at": check.checked_at.isoformat() if check.checked_at is not None else "",
            }
            for check in checks.values()
        ],
        "votes": [
            {
                "side": side,
                "by": vote.by.name,
                "is_go": vote.is_go,
                "comment": vote.comment,
                "accepted_risk": vote.accepted_risk,
                "voted_at": vote.voted_at.isoformat(),
            }
            for side, vote in sorted(votes.items())
        ],
    }


def _log_activity(cutover: Cutover, vote: CutoverVote, made: CutoverDecision | None) -> None:
    tenant = cutover.plan.tenant
    write_activity(
        tenant,
        ActivityName.CUTOVER_VOTED,
        by=vote.by,
        direction=cutover.direction,
        domains=cutover.domain_summary,
        cutover_id=cutover.public_id,
        vote="go" if vote.is_go else "no-go",
        reason=vote.accepted_risk or vote.comment,
    )
    if made is not None:
        write_activity(
            tenant,
            ActivityName.CUTOVER_DECIDED,
            direction=cutover.direction,
            domains=cutover.domain_summary,
            cutover_id=cutover.public_id,
            decision="go" if made.is_go else "no-go",
            digest=made.digest,
        )
        add_decision(cutover, is_go=made.is_go)
