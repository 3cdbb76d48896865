"""Go or no-go: two named approvers, one of each side, and one verdict kept with its evidence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from onboarding.cutovers.readiness import ReadinessFacts, ReadinessRow
from onboarding.cutovers.snapshots import digest_of
from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Cutover, CutoverDecision, CutoverVote, Responsibility
from onboarding.models.cutovers import join_names
from tenants.activity_names import ActivityName
from tenants.models import Membership, Tenant, User
from tenants.services import write_activity


@dataclass(frozen=True)
class Ballot:
    """What an approver says, of the window and the round of domains they were shown. `blockers`
    are the keys of the rows that the page said hold the cutover back."""

    planned_at: datetime
    round: int
    is_go: bool
    comment: str = ""
    accepted_risk: str = ""
    blockers: Collection[str] = ()


def staff_approvers() -> QuerySet[User]:
    """Who may be named for Mimecast's side: those who may vote anywhere."""
    roles = [User.StaffRole.ADMINISTRATOR, User.StaffRole.CONSULTANT]
    return User.objects.filter(is_active=True, staff_role__in=roles).order_by("name")


def client_approvers(tenant: Tenant) -> QuerySet[User]:
    owners = Membership.objects.filter(tenant=tenant, role=Membership.Role.OWNER)
    people = User.objects.filter(pk__in=owners.values("user"), is_active=True)
    return people.filter(Q(staff_role=User.StaffRole.NONE)).order_by("name")


def name_approvers(
    cutover: Cutover, *, mimecast: User | None, client: User | None, by: User
) -> None:
    """Who says go or no-go; after the verdict nobody is named any more."""
    tenant = cutover.plan.tenant
    with transaction.atomic():
        locked = _lock(cutover)
        if current_decision(locked) is not None:
            raise ConflictingChange("The verdict on this window is there already.")
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
        cutover.plan.touch()


def current_decision(cutover: Cutover) -> CutoverDecision | None:
    """The verdict on the cutover's present window and domains: what changed is decided anew."""
    return CutoverDecision.objects.filter(
        cutover=cutover, window_start=cutover.planned_at, round=cutover.round
    ).first()


def current_votes(cutover: Cutover) -> dict[str, CutoverVote]:
    """Each side's newest vote on the present window and domains, by its approver of now."""
    votes = CutoverVote.objects.filter(
        cutover=cutover, window_start=cutover.planned_at, round=cutover.round
    )
    named = {
        Responsibility.MIMECAST.value: cutover.mimecast_approver_id,
        Responsibility.CLIENT.value: cutover.client_approver_id,
    }
    newest = votes.select_related("by").order_by("voted_at", "pk")
    return {vote.side: vote for vote in newest if named.get(vote.side) == vote.by_id}


def cast_vote(
    cutover: Cutover,
    ballot: Ballot,
    rows: Sequence[ReadinessRow],
    facts: ReadinessFacts,
    *,
    by: User,
) -> CutoverDecision | None:
    """An approver's go or no-go.

    1. One no-go is the verdict, and two goes are; until then nothing is decided.
    2. With rows that hold the cutover back, go takes the risk accepted in words, and these are
       words about the rows that were shown. A go of before does not stand for one that came later.
    3. The verdict keeps rows, evidence and votes as they are now. Of two at once one makes it.
    """
    side = cutover.approver_side(by)
    if not side:
        raise OnboardingError("Only the two people named as approvers vote. Nothing was recorded.")
    blockers = [row for row in rows if row.is_blocking]
    if ballot.is_go:
        _require_accepted_risk(ballot, blockers)
    with transaction.atomic():
        locked = _lock(cutover)
        shown = (ballot.planned_at, ballot.round)
        if (locked.planned_at, locked.round) != shown or locked.approver_side(by) != side:
            raise ConflictingChange("The room was changed meanwhile. Nothing was recorded.")
        if current_decision(locked) is not None:
            raise ConflictingChange("The verdict on this window is there already.")
        vote = CutoverVote.objects.create(
            cutover=locked,
            window_start=locked.planned_at,
            round=locked.round,
            side=side,
            by=by,
            is_go=ballot.is_go,
            comment=ballot.comment,
            accepted_risk=ballot.accepted_risk if blockers else "",
            blockers=[row.key for row in blockers],
        )
        made = _decide(locked, rows, facts)
        _log_activity(cutover, vote, made)
    return made


def _require_accepted_risk(ballot: Ballot, blockers: Sequence[ReadinessRow]) -> None:
    """A go in spite of what holds the cutover back takes words, about all of it."""
    titles = ", ".join(row.title for row in blockers)
    if blockers and not ballot.accepted_risk:
        raise OnboardingError(
            f"These hold the cutover back: {titles}. Say in words why to go all the same. Nothing"
            " was recorded."
        )
    unseen = [f"“{row.title}”" for row in blockers if row.key not in ballot.blockers]
    if unseen:
        verb = "holds" if len(unseen) == 1 else "hold"
        raise ConflictingChange(
            f"The readiness changed since you opened the page: {join_names(unseen)} {verb} the cutover"
            " back too. Nothing was recorded."
        )


def is_outdated(vote: CutoverVote, rows: Sequence[ReadinessRow]) -> bool:
    """A go that was said before something came to hold the cutover back."""
    return vote.is_go and any(r.is_blocking and r.key not in vote.blockers for r in rows)


def _lock(cutover: Cutover) -> Cutover:
    locked = Cutover.objects.select_for_update().filter(pk=cutover.pk).first()
    if locked is None:
        raise ConflictingChange("Somebody dropped the cutover meanwhile. Nothing was recorded.")
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
        decided_at=timezone.now(),
        content=content,
        digest=digest_of(content),
    )


def decision_content(
    rows: Sequence[ReadinessRow], facts: ReadinessFacts, votes: dict[str, CutoverVote]
) -> dict[str, Any]:
    """Readiness, evidence and votes as plain JSON, for good."""
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
                "words": row.detail,
                "mend": row.remedy,
                "task": row.task.public_id if row.task is not None else "",
            }
            for row in rows
        ],
        "evidence": [
            {
                "kind": check.kind,
                "subject": check.subject,
                "settled": check.settled_verdict,
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
                "words": vote.comment,
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
    cutover.plan.touch()
