"""Messages to the workers, sent without waiting long for the broker.

A request sends each message once. After a failure, its process sends nothing for five seconds, so
that it does not wait for each message. The callers store their work in the database first, and the
beat sends it later.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from celery import Task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from tenants import event_counts

logger = logging.getLogger(__name__)

# The broker is down, hangs, is out of memory, or cannot write to its disk.
ERRORS = (OperationalError, RedisError, OSError)
PAUSE_SECONDS = 5.0


@dataclass
class _Broker:
    """The last failure of the broker in this process."""

    down_until: float = 0.0


_state = _Broker()


def send(task: Task[Any, Any], args: tuple[Any, ...], **options: Any) -> bool:
    """Send a message. Returns False without a broker, and counts the event.

    Where tasks run in the calling process, their exceptions are raised.
    """
    if task.app.conf.task_always_eager:
        task.apply_async(args, **options)
        return True
    if time.monotonic() < _state.down_until:
        event_counts.count(event_counts.Event.BROKER_MISSING)
        return False
    try:
        task.apply_async(args, retry=False, **options)
    except ERRORS as error:
        _state.down_until = time.monotonic() + PAUSE_SECONDS
        event_counts.count(event_counts.Event.BROKER_MISSING)
        logger.warning("no broker: a message to %s waits: %s", task.name, error)
        return False
    return True
