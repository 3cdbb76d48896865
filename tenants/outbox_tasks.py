"""The base of all Celery tasks: a task of the outbox runs once at a time.

Its worker renews the lease of the row while the process lives. A row without a living worker is
soon published again, by `tenants.outbox.claim_due`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery.exceptions import Ignore
from django.db import DatabaseError, connection

from tenants import outbox
from tenants.retries import RepeatedTask

logger = logging.getLogger(__name__)

_RENEW_EVERY_SECONDS = 8.0


class OutboxTask(RepeatedTask):
    """A task that does nothing if its row of the outbox has ended or runs in another worker."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        public_id = row_of(self.request)
        if not public_id:
            return super().__call__(*args, **options)
        claim_id = outbox.start_task(public_id)
        if claim_id is None:
            raise Ignore
        with _renewed(public_id, claim_id):
            return super().__call__(*args, **options)


def row_of(request: Any) -> str:
    """The public id of the outbox's row, from the headers of a Celery request; "" without one."""
    headers = request.headers or {}
    return str(getattr(request, outbox.HEADER, None) or headers.get(outbox.HEADER) or "")


@contextmanager
def _renewed(public_id: str, claim_id: str) -> Iterator[None]:
    ended = threading.Event()
    renewal = threading.Thread(target=_renew, args=(public_id, claim_id, ended), daemon=True)
    renewal.start()
    try:
        yield
    finally:
        ended.set()
        renewal.join()


def _renew(public_id: str, claim_id: str, ended: threading.Event) -> None:
    while not ended.wait(_RENEW_EVERY_SECONDS):
        try:
            outbox.renew_task(public_id, claim_id)
        except DatabaseError as error:
            # The next renewal may succeed. Otherwise another worker runs the task as well.
            logger.warning("the lease of a task was not renewed: %s", error)
        finally:
            connection.close()
