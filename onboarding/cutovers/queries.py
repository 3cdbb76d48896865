"""Queries about cutovers."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import TruncSecond

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.models import (
    COMPLETE_STATUSES,
    Cutover,
    CutoverDecision,
    CutoverDomain,
    CutoverVote,
    DomainProgress,
    OnCall,
    TaskRole,
)
from tenants.models import User


def switched(cutovers: QuerySet[Cutover]) -> QuerySet[Cutover]:
    """The cutovers whose domains have all switched.

    An inbound domain has switched when its MX check is verified. An outbound domain has switched
    when the client confirmed and a message that was signed after that passed. Without a message,
    the whole task must be complete, for example at accepted risk.
    """
    verified = Check.objects.filter(
        domain=OuterRef("domain"),
        is_active=True,
        settled_verdict__in=[Verdict.PASS.value, Verdict.WARN.value],
    )
    confirmed = DomainProgress.objects.filter(
        domain=OuterRef("domain"),
        task__role=TaskRole.SWITCHES_OUTBOUND,
        client_confirmed_at__isnull=False,
    )
    by_mx = Q(direction=Cutover.Direction.INBOUND) & Q(
        Exists(verified.filter(kind=CheckKind.MX.value))
    )
    by_message = Q(
        Exists(
            confirmed.filter(
                domain__checks__kind=CheckKind.MESSAGE.value,
                domain__checks__is_active=True,
                # A signature by a selector that a client proposed proves nothing yet.
                domain__dkim_selectors__gt="",
                domain__checks__settled_verdict__in=[Verdict.PASS.value, Verdict.WARN.value],
                domain__checks__signed_at__gte=TruncSecond("client_confirmed_at"),
            )
        )
    )
    by_task = Q(Exists(confirmed.filter(task__status__in=COMPLETE_STATUSES)))
    outbound = Q(direction=Cutover.Direction.OUTBOUND) & (by_message | by_task)
    chosen = CutoverDomain.objects.filter(cutover=OuterRef("pk"))
    return cutovers.filter(Exists(chosen), ~Exists(chosen.exclude(by_mx | outbound)))


def needs_vote_of(cutover: Cutover, person: User) -> bool:
    """Whether the person is an approver who has not voted on the undecided current window."""
    if person.pk not in (cutover.mimecast_approver_id, cutover.client_approver_id):
        return False
    window = {
        "cutover": cutover,
        "window_start": cutover.planned_at,
        "round": cutover.round,
    }
    votes = CutoverVote.objects.filter(**window, by=person)
    is_decided = CutoverDecision.objects.filter(**window).exists()
    return not is_decided and not votes.exists()


def phone_on_call(cutover: Cutover, person: User | None) -> str:
    """The phone number of a person who is on call in the cutover; empty for others."""
    rows = OnCall.objects.filter(cutover=cutover, user=person) if person is not None else None
    return (rows.values_list("phone", flat=True).first() or "") if rows is not None else ""
