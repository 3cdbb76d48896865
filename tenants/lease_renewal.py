"""Renew a lease while its process lives, for the claims of checks and the tasks of the outbox."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection

logger = logging.getLogger(__name__)


@contextmanager
def renewed(renew: Callable[[], object], *, every_seconds: float) -> Iterator[None]:
    """Call `renew` at this interval in a thread, until the block ends."""
    ended = threading.Event()
    renewal = threading.Thread(target=_renew_until, args=(renew, every_seconds, ended), daemon=True)
    renewal.start()
    try:
        yield
    finally:
        ended.set()
        renewal.join()


def _renew_until(renew: Callable[[], object], every_seconds: float, ended: threading.Event) -> None:
    while not ended.wait(every_seconds):
        try:
            renew()
        except DatabaseError as error:
            # The next renewal may succeed. Otherwise another worker does the work as well.
            logger.warning("a lease was not renewed: %s", error)
        finally:
            connection.close()
