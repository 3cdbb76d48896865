"""Which domains a direction's cutovers are for, and which of them are in none yet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from onboarding.models import Cutover, Task
from onboarding.models.cutovers import named
from onboarding.plans.domain_parts import Exempt, in_scope
from tenants.models import Domain

# The step that a cutover does: whatever domains it is to be done for belong in one.
TASK_OF_DIRECTION = {
    Cutover.Direction.OUTBOUND: "outbound-cutover",
    Cutover.Direction.INBOUND: "mx-record-cutover",
}
# The phase whose steps are a cutover's run sheet.
PHASE_OF_DIRECTION = {
    Cutover.Direction.OUTBOUND: "outbound-cutover-phase",
    Cutover.Direction.INBOUND: "inbound-cutover-phase",
}
_BEFORE_THE_PRIMARY = (Domain.Role.TEST, Domain.Role.SECONDARY)


def in_none(
    direction: str,
    tasks: Mapping[str, Task],
    domains: Iterable[Domain],
    exempt: Exempt,
    cutovers: Iterable[Cutover],
) -> list[Domain]:
    """The domains that the direction's step is to be done for and that no cutover covers."""
    task = tasks.get(TASK_OF_DIRECTION[Cutover.Direction(direction)])
    if task is None or not task.applies:
        return []
    taken = {
        domain.pk
        for cutover in cutovers
        if cutover.direction == direction
        for domain in cutover.domains.all()
    }
    return [d for d in in_scope(task, domains, exempt) if d.pk not in taken]


def primary_first(
    cutover: Cutover, cutovers: Sequence[Cutover], left: Sequence[Domain]
) -> Iterator[str]:
    """A sentence where the primary domain goes before a test or secondary one: those are what a
    switch is tried with. `left` are the direction's domains in no cutover."""
    primary = next((d for d in cutover.domains.all() if d.role == Domain.Role.PRIMARY), None)
    if primary is None:
        return
    later = [
        domain
        for other in cutovers
        if other.direction == cutover.direction and other.planned_at > cutover.planned_at
        for domain in other.domains.all()
    ]
    behind = [str(d) for d in [*later, *left] if d.role in _BEFORE_THE_PRIMARY]
    if behind:
        yield (
            f"The primary domain {primary} goes before {named(behind)}. Try the switch with a test"
            " or secondary domain first."
        )
