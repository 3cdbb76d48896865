"""A per-domain task's domains as a page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from onboarding.models import DomainPart, Responsibility, Task
from onboarding.plans.judging import Ground
from onboarding.plans.moves import Mover
from onboarding.plans.proof import Evidence
from tenants.models import Domain


@dataclass(frozen=True)
class PartRow:
    """One domain of the task. `side` is whom the reader speaks for, empty for a viewer."""

    domain: Domain
    part: DomainPart | None
    is_proven: bool
    side: str
    responsibility: str
    # A word from before the fault is none any more.
    broken_at: datetime | None = None

    @property
    def is_exempt(self) -> bool:
        return self.part is not None and self.part.is_exempt

    @property
    def words(self) -> list[tuple[str, object, object]]:
        """Who confirmed it for which side, and when."""
        if self.part is None:
            return []
        said = [
            ("Mimecast", self.part.mimecast_confirmed_by, self.part.mimecast_confirmed_at),
            ("the client", self.part.client_confirmed_by, self.part.client_confirmed_at),
        ]
        return [(side, by, at) for side, by, at in said if at is not None]

    @property
    def is_mine(self) -> bool:
        return bool(self.side) and self.responsibility in (self.side, Responsibility.BOTH)

    @property
    def can_confirm(self) -> bool:
        return self.is_mine and not self.is_exempt and not self.is_proven and not self._my_word

    @property
    def can_withdraw(self) -> bool:
        return self.is_mine and not self.is_exempt and not self.is_proven and self._my_word

    @property
    def _my_word(self) -> bool:
        said = getattr(self.part, f"{self.side}_confirmed_at", None)
        return said is not None and (self.broken_at is None or said > self.broken_at)


def part_rows(
    task: Task,
    ground: Ground,
    evidence: Evidence,
    parts: Mapping[int, DomainPart],
    mover: Mover,
) -> tuple[PartRow, ...]:
    """Every domain of the task's roles, exempt ones too, in the order of the tenant's domains."""
    if not task.is_per_domain or not task.applies:
        return ()
    proven = {s.check.domain_id for s in evidence.subjects if s.check is not None and s.is_proven}
    return tuple(
        PartRow(
            domain=domain,
            part=parts.get(domain.pk),
            is_proven=bool(task.check_kinds) and domain.pk in proven,
            side=mover.side,
            responsibility=task.responsibility,
            broken_at=task.broken_at,
        )
        for domain in ground.domains
        if domain.role in task.domain_roles
    )
