"""Go or no-go: two named approvers, one of each side, and one verdict kept with its evidence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from onboarding.cutovers.room_facts import Facts, Row
from onboarding.cutovers.snapshots import digest_of
from onboarding.errors import MovedMeanwhile, NotYours, OnboardingError
from onboarding.models import Cutover, CutoverVerdict, CutoverVote, Responsibility
from onboarding.models.cutovers import named
from tenants.models import Membership, Tenant, User
from tenants.services import write_activity


@dataclass(frozen=True)
class Ballot:
    """What an approver says, of the window and the round of domains they were shown. `held_back`
    are the keys of the rows that the page said hold the cutover back."""

    planned_at: datetime
    round: int
    is_go: bool
    words: str = ""
    accepted_risk: str = ""
    held_back: Collection[str] = ()


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
        held = _hold(cutover)
        if verdict_of(held) is not None:
            raise MovedMeanwhile("The verdict on this window is there already.")
        Cutover.objects.filter(pk=held.pk).update(
            mimecast_approver=mimecast, client_approver=client
        )
        write_activity(
            tenant,
            "approvers-named",
            by=by,
            direction=held.direction,
            of=cutover.covers,
            cutover_id=cutover.public_id,
            names=[person.name for person in (mimecast, client) if person is not None],
        )
        cutover.plan.touch()


def verdict_of(cutover: Cutover) -> CutoverVerdict | None:
    """The verdict on the cutover's present window and domains: what changed is decided anew."""
    return CutoverVerdict.objects.filter(
        cutover=cutover, window_start=cutover.planned_at, round=cutover.round
    ).first()


def votes_of(cutover: Cutover) -> dict[str, CutoverVote]:
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


def cast(
    cutover: Cutover, ballot: Ballot, rows: Sequence[Row], facts: Facts, *, by: User
) -> CutoverVerdict | None:
    """An approver's go or no-go.

    1. One no-go is the verdict, and two goes are; until then nothing is decided.
    2. With rows that hold the cutover back, go takes the risk accepted in words, and these are
       words about the rows that were shown. A go of before does not stand for one that came later.
    3. The verdict keeps rows, evidence and votes as they are now. Of two at once one makes it.
    """
    side = cutover.side_of_approver(by)
    if not side:
        raise NotYours("Only the two people named as approvers vote. Nothing was recorded.")
    held_back = [row for row in rows if row.holds_back]
    if ballot.is_go:
        _refuse_unknowing(ballot, held_back)
    with transaction.atomic():
        held = _hold(cutover)
        shown = (ballot.planned_at, ballot.round)
        if (held.planned_at, held.round) != shown or held.side_of_approver(by) != side:
            raise MovedMeanwhile("The room was changed meanwhile. Nothing was recorded.")
        if verdict_of(held) is not None:
            raise MovedMeanwhile("The verdict on this window is there already.")
        vote = CutoverVote.objects.create(
            cutover=held,
            window_start=held.planned_at,
            round=held.round,
            side=side,
            by=by,
            is_go=ballot.is_go,
            words=ballot.words,
            accepted_risk=ballot.accepted_risk if held_back else "",
            held_back=[row.key for row in held_back],
        )
        made = _decide(held, rows, facts)
        _note(cutover, vote, made)
    return made


def _refuse_unknowing(ballot: Ballot, held_back: Sequence[Row]) -> None:
    """A go in spite of what holds the cutover back takes words, about all of it."""
    titles = ", ".join(row.title for row in held_back)
    if held_back and not ballot.accepted_risk:
        raise OnboardingError(
            f"These hold the cutover back: {titles}. Say in words why to go all the same. Nothing"
            " was recorded."
        )
    unseen = [f"“{row.title}”" for row in held_back if row.key not in ballot.held_back]
    if unseen:
        verb = "holds" if len(unseen) == 1 else "hold"
        raise MovedMeanwhile(
            f"The readiness changed since you opened the page: {named(unseen)} {verb} the cutover"
            " back too. Nothing was recorded."
        )


def is_outdated(vote: CutoverVote, rows: Sequence[Row]) -> bool:
    """A go that was said before something came to hold the cutover back."""
    return vote.is_go and any(r.holds_back and r.key not in vote.held_back for r in rows)


def _hold(cutover: Cutover) -> Cutover:
    held = Cutover.objects.select_for_update().filter(pk=cutover.pk).first()
    if held is None:
        raise MovedMeanwhile("Somebody dropped the cutover meanwhile. Nothing was recorded.")
    return held


def _decide(cutover: Cutover, rows: Sequence[Row], facts: Facts) -> CutoverVerdict | None:
    said = votes_of(cutover)
    votes = {side: vote for side, vote in said.items() if not is_outdated(vote, rows)}
    refused = any(not vote.is_go for vote in votes.values())
    if not refused and len(votes) < 2:
        return None
    content = frozen(rows, facts, said if refused else votes)
    return CutoverVerdict.objects.create(
        cutover=cutover,
        window_start=cutover.planned_at,
        round=cutover.round,
        is_go=not refused,
        decided_at=timezone.now(),
        content=content,
        digest=digest_of(content),
    )


def frozen(rows: Sequence[Row], facts: Facts, votes: dict[str, CutoverVote]) -> dict[str, Any]:
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
                "words": row.words,
                "mend": row.mend,
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
                "looked_at": check.looked_at.isoformat() if check.looked_at is not None else "",
            }
            for check in checks.values()
        ],
        "votes": [
            {
                "side": side,
                "by": vote.by.name,
                "is_go": vote.is_go,
                "words": vote.words,
                "accepted_risk": vote.accepted_risk,
                "voted_at": vote.voted_at.isoformat(),
            }
            for side, vote in sorted(votes.items())
        ],
    }


def _note(cutover: Cutover, vote: CutoverVote, made: CutoverVerdict | None) -> None:
    tenant = cutover.plan.tenant
    write_activity(
        tenant,
        "cutover-voted",
        by=vote.by,
        direction=cutover.direction,
        of=cutover.covers,
        cutover_id=cutover.public_id,
        says="go" if vote.is_go else "no-go",
        because=vote.accepted_risk or vote.words,
    )
    if made is not None:
        write_activity(
            tenant,
            "cutover-decided",
            direction=cutover.direction,
            of=cutover.covers,
            cutover_id=cutover.public_id,
            says="go" if made.is_go else "no-go",
            digest=made.digest,
        )
    cutover.plan.touch()
