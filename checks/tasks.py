"""Celery tasks of the checks app: queue due checks and run a batch."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Iterable

from celery import shared_task
from django.conf import settings
from django.db import transaction

from checks import claims, reactions, runs, workers
from checks.models import Check
from tenants import broker, database_time

logger = logging.getLogger(__name__)


@shared_task(name="checks.run_checks", acks_late=True, ignore_result=True)
def run_checks(check_ids: list[int]) -> None:
    """Run a batch. A batch that raises is queued again in parts, so that no tenant stops others."""
    with claims.running(check_ids) as claim:
        try:
            recorded = runs.run_batch(claim.check_ids)
        except Exception:
            # A batch has checks of many tenants. One faulty row must not stop the others.
            logger.exception("a batch of %d checks failed", len(claim.check_ids))
            is_failed = True
        else:
            is_failed = False
            logger.info("ran %d checks, recorded %d", len(claim.check_ids), recorded)
    if is_failed:
        _queue(claims.split_batch(claim.check_ids, now=database_time.now()))
    if not (run_checks.request.is_eager or run_checks.request.called_directly):
        # The worker has capacity again. With many due checks it must not wait for the next tick.
        _queue_due()


@shared_task(name="checks.queue_due_checks", ignore_result=True)
def queue_due_checks() -> None:
    _queue_due()


def _queue_due() -> None:
    now = database_time.now()
    processes = functools.partial(workers.processes_by_queue, now=now)
    _queue(claims.claim_due_checks(now=now, processes=processes))


@shared_task(name="checks.repeat_reactions", ignore_result=True)
def repeat_reactions() -> None:
    """Queue one message for each tenant with a reaction that failed or was lost."""
    for tenant_id in reactions.tenants_to_repeat(now=database_time.now()):
        repeat_reactions_of.delay(tenant_id)


@shared_task(name="checks.repeat_reactions_of", acks_late=True, ignore_result=True)
def repeat_reactions_of(tenant_id: int) -> None:
    repeated = reactions.repeat(tenant_id, now=database_time.now())
    if repeated:
        logger.warning("repeated the reactions to %d runs of tenant %d", repeated, tenant_id)


class Allowance:
    """A number of uses per second in this process."""

    def __init__(self, per_second: float) -> None:
        self._per_second = self._left = per_second
        self._used_at = time.monotonic()
        self._lock = threading.Lock()

    def use(self) -> bool:
        """Whether one more use is allowed now."""
        with self._lock:
            now = time.monotonic()
            gained = (now - self._used_at) * self._per_second
            self._left = min(self._per_second, self._left + gained)
            self._used_at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


# A message for each request of a crowd would cost the workers more than the runs. Further requests
# wait for the next tick of the beat, which claims full batches, cutovers first.
direct_messages = Allowance(per_second=5)


def run_now(checks: Iterable[Check]) -> None:
    """Request runs of these checks. Queued after the transaction has committed, or by the beat."""
    # Without a broker, there is no beat either.
    may_claim = settings.CELERY_TASK_ALWAYS_EAGER or direct_messages.use()
    batches = claims.request_run(checks, now=database_time.now(), may_claim=may_claim)
    transaction.on_commit(functools.partial(_queue, batches))


def _queue(batches: Iterable[claims.Batch]) -> None:
    for batch in batches:
        if not broker.send(run_checks, (list(batch.check_ids),), queue=batch.queue):
            # Without a broker nothing is lost: the rows stay due, and the beat queues them later.
            claims.release(batch.check_ids, now=database_time.now())
