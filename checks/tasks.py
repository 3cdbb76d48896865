"""Celery tasks of the checks app: queue due checks and run a batch."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from checks import reactions, runs, services
from checks.models import Check

logger = logging.getLogger(__name__)
BATCH_EXPIRES_SECONDS = services.CLAIM_DURATION.total_seconds()


@shared_task(name="checks.run_checks", acks_late=True, ignore_result=True)
def run_checks(check_ids: list[int]) -> None:
    """Run a batch. A batch that raises is queued again in parts, so that no tenant stops others."""
    try:
        recorded = runs.run_batch(check_ids)
    except Exception:
        # A batch has checks of many tenants. One faulty row must not stop the runs of the others.
        parts = services.split_batch(check_ids)
        if not parts:
            raise
        logger.exception("a batch of %d checks failed and is queued in parts", len(check_ids))
        _queue(parts)
    else:
        logger.info("ran %d checks, recorded %d", len(check_ids), recorded)


@shared_task(name="checks.queue_due_checks", ignore_result=True)
def queue_due_checks() -> None:
    _queue(services.claim_due_checks(now=timezone.now()))


@shared_task(name="checks.repeat_reactions", ignore_result=True)
def repeat_reactions() -> None:
    """Queue one message for each tenant with a reaction that failed or was lost."""
    for tenant_id in reactions.tenants_to_repeat(now=timezone.now()):
        repeat_reactions_of.delay(tenant_id)


@shared_task(name="checks.repeat_reactions_of", acks_late=True, ignore_result=True)
def repeat_reactions_of(tenant_id: int) -> None:
    repeated = reactions.repeat(tenant_id, now=timezone.now())
    if repeated:
        logger.warning("repeated the reactions to %d runs of tenant %d", repeated, tenant_id)


def run_now(checks: Iterable[Check]) -> None:
    """Claim these checks and queue them after the transaction has committed."""
    batches = services.request_run(checks, now=timezone.now())
    transaction.on_commit(functools.partial(_queue, batches))


def _queue(batches: Mapping[str, Sequence[Sequence[int]]]) -> None:
    for vantage, of_vantage in batches.items():
        for ids in of_vantage:
            try:
                run_checks.apply_async(
                    args=(list(ids),), queue=f"checks.{vantage}", expires=BATCH_EXPIRES_SECONDS
                )
            except OperationalError:
                # Without a broker nothing is lost: the rows stay due, and the beat queues them
                # later.
                logger.warning("no broker: %d checks stay due", len(ids))
                services.release(ids, now=timezone.now())
