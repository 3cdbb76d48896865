"""Celery tasks of the checks app: queue due checks and run a batch."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable

from celery import shared_task
from django.db import transaction

from checks import claims, reactions, runs, workers
from checks.models import Check
from tenants import database_time, outbox

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


@shared_task(name="checks.queue_due_checks", ignore_result=True)
def queue_due_checks() -> None:
    now = database_time.now()
    _queue(claims.claim_due_checks(now=now, processes=workers.processes_by_queue(now=now)))


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


def run_now(checks: Iterable[Check]) -> None:
    """Claim these checks and queue them after the transaction has committed."""
    batches = claims.request_run(checks, now=database_time.now())
    transaction.on_commit(functools.partial(_queue, batches))


def _queue(batches: Iterable[claims.Batch]) -> None:
    for batch in batches:
        try:
            run_checks.apply_async(args=(list(batch.check_ids),), queue=batch.queue)
        except outbox.BROKER_ERRORS:
            # Without a broker nothing is lost: the rows stay due, and the beat queues them later.
            logger.warning("no broker: %d checks stay due", len(batch.check_ids))
            claims.release(batch.check_ids, now=database_time.now())
