"""TODO docstring."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.models import Cutover, CutoverDomain, DomainProgress, TaskRole


def switched(cutovers: QuerySet[Cutover]) -> QuerySet[Cutover]:
    """Those whose domains have all switched, as far as can be known: MX proven; for outbound a
    message proven, or the client's word where no message can be asked for."""
    yes = Check.objects.filter(
        domain=OuterRef("domain"),
        is_active=True,
        settled_verdict__in=[Verdict.PASS.value, Verdict.WARN.value],
    )
    messages = Check.objects.filter(
        domain=OuterRef("domain"), is_active=True, kind=CheckKind.MESSAGE.value
    )
    confirmed = DomainProgress.objects.filter(
        domain=OuterRef("domain"),
        task__role=TaskRole.SWITCHES_OUTBOUND,
        client_confirmed_at__isnull=False,
    )
    by_mx = Q(direction=Cutover.Direction.INBOUND) & Q(Exists(yes.filter(kind=CheckKind.MX.value)))
    by_message = Q(Exists(yes.filter(kind=CheckKind.MESSAGE.value)))
    by_confirmation = ~Q(Exists(messages)) & Q(Exists(confirmed))
    outbound = Q(direction=Cutover.Direction.OUTBOUND) & (by_message | by_confirmation)
    chosen = CutoverDomain.objects.filter(cutover=OuterRef("pk"))
    return cutovers.filter(Exists(chosen), ~Exists(chosen.exclude(by_mx | outbound)))
