"""How far an import is, for whoever looks at its page meanwhile.

It is told through the cache: what a transaction has written nobody else sees before its end, and
SQLite lets nobody else write until then. Where processes share no cache, the page knows what the
import's own row says: how many rows there are, and how many were checked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.core.cache import cache
from django.utils import timezone
from redis.exceptions import RedisError

from onboarding.models import SheetImport

logger = logging.getLogger(__name__)

State = SheetImport.State
# A worker says something every second or so; whoever is silent for so long is no more.
LOST_AFTER = timedelta(minutes=3)
_KEPT_FOR = timedelta(hours=1)


class Stage(StrEnum):
    READING = "reading"
    CHECKING = "checking"
    WRITING = "writing"


STAGES_OF = {
    State.READING.value: (Stage.READING, Stage.CHECKING),
    State.IMPORTING.value: tuple(Stage),
}
Tell = Callable[[Stage, int, int], None]


@dataclass(frozen=True)
class Progress:
    """Of which stage how many rows are done."""

    stages: tuple[Stage, ...]
    stage: Stage
    done: int
    total: int

    @property
    def step(self) -> int:
        return self.stages.index(self.stage) + 1

    @property
    def percent(self) -> int:
        """Of the whole way: each stage is as much of it as every other."""
        part = min(self.done / self.total, 1) if self.total else 0
        return int(100 * (self.step - 1 + part) / len(self.stages))


def teller(kept: SheetImport) -> Tell:
    """What a worker calls as it goes on. That nobody can be told holds no import up."""

    def tell(stage: Stage, done: int, total: int) -> None:
        if stage is not Stage.WRITING:
            # Before the transaction that writes, or it would wait for its own row.
            found = {"rows_found": total, "rows_checked": done} if stage is Stage.CHECKING else {}
            rows = SheetImport.objects.filter(pk=kept.pk)
            rows.update(moved_at=timezone.now(), **found)
        said = (kept.attempts, stage.value, done, total, timezone.now())
        try:
            cache.set(_key(kept), said, timeout=_KEPT_FOR.total_seconds())
        except (RedisError, OSError) as error:
            logger.warning("the cache took no progress of import %s: %s", kept.public_id, error)

    return tell


def progress_of(kept: SheetImport) -> Progress | None:
    """How far it is; None while no worker has begun."""
    stages = STAGES_OF.get(kept.state)
    if stages is None:
        return None
    said = _said(kept)
    if said is not None and said[1] in stages:
        return Progress(stages, Stage(said[1]), said[2], said[3])
    if kept.rows_checked:
        return Progress(stages, Stage.CHECKING, kept.rows_checked, kept.rows_found)
    return Progress(stages, Stage.READING, 0, 0) if kept.attempts else None


def last_sign_of(kept: SheetImport) -> datetime:
    """When its worker was last known to live."""
    said = _said(kept)
    return max(kept.moved_at, said[4]) if said is not None else kept.moved_at


def is_lost(kept: SheetImport, *, now: datetime) -> bool:
    return kept.is_under_way and last_sign_of(kept) < now - LOST_AFTER


def _said(kept: SheetImport) -> tuple[int, str, int, int, datetime] | None:
    """What this attempt's worker said; the word of one before it is no longer true."""
    try:
        said: tuple[int, str, int, int, datetime] | None = cache.get(_key(kept))
    except (RedisError, OSError):
        return None
    return said if said is not None and said[0] == kept.attempts else None


def _key(kept: SheetImport) -> str:
    return f"sheets:import:{kept.public_id}:{kept.state}"
