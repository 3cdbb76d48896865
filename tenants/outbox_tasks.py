"""The base of all Celery tasks: a task of the outbox runs once at a time.

Its worker renews the lease of the row while the process lives. A row without a living worker is
soon published again, by `tenants.outbox.claim_due`.
"""

from __future__ import annotations

import functools
from typing import Any

from celery.exceptions import Ignore

from tenants import outbox
from tenants.lease_renewal import renewed
from tenants.retries import RepeatedTask

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
        renew = functools.partial(outbox.renew_task, public_id, claim_id)
        with renewed(renew, every_seconds=_RENEW_EVERY_SECONDS):
            return super().__call__(*args, **options)


def row_of(request: Any) -> str:
    """The public id of the outbox's row, from the headers of a Celery request; "" without one."""
    headers = request.headers or {}
    return str(getattr(request, outbox.HEADER, None) or headers.get(outbox.HEADER) or "")
