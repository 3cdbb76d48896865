"""Repeat work that another transaction overtook.

This module is the only place that decides about a repetition. `tenants.middleware` uses it for the
actions of users, `RepeatedTask` for all Celery tasks, and the receiver of `runs_recorded` for its
reaction.

1. PostgreSQL rolled the transaction back after a deadlock or a serialization failure.
2. Another transaction inserted the same unique values, or deleted a row that this one needs. The
   repetition reads the current rows: the validation of a form then has a sentence for the user,
   and the loader of a view answers 404.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from celery import Task
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, OperationalError, connection

Result = TypeVar("Result")

# SQLSTATE of PostgreSQL: serialization_failure and deadlock_detected.
CONFLICTS = {"40001", "40P01"}
MOST_ATTEMPTS = 5
# Both sides of a deadlock would meet again if they waited equally long.
_LONGEST_PAUSE_SECONDS = 0.05
_OVERTAKEN = (IntegrityError, ObjectDoesNotExist)
CAUGHT = (OperationalError, *_OVERTAKEN)
_WRITES = ("INSERT", "UPDATE", "DELETE")


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction may be the cause, so that a repetition can succeed."""
    if isinstance(error, OperationalError):
        return getattr(error.__cause__, "pgcode", None) in CONFLICTS
    return isinstance(error, _OVERTAKEN)


def pause_before(attempt: int) -> None:
    """Sleep for a random time that grows with the number of the attempt."""
    time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS * attempt))


def repeat_after_conflict(work: Callable[[], Result]) -> Result:
    """Call `work`, which is safe to run twice, again after each conflict. Returns its result.

    Raises the conflict of the last attempt. Inside a transaction nothing is repeated: PostgreSQL
    has rolled back the earlier statements of the transaction too.
    """
    for attempt in range(1, MOST_ATTEMPTS):
        try:
            return work()
        except CAUGHT as error:
            if connection.in_atomic_block or not is_conflict(error):
                raise
            pause_before(attempt)
    return work()


class RepeatedTask(Task[Any, Any]):
    """A task that is repeated after a conflict. Every task is safe to run twice."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return repeat_after_conflict(functools.partial(self.run, *args, **options))


class CommittedWrites:
    """Detects committed writes of the current connection, as its `execute_wrapper`.

    `found` is True after the first commit of an INSERT, UPDATE or DELETE.
    """

    def __init__(self) -> None:
        self.found = False

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if not self.found and sql.lstrip().upper().startswith(_WRITES):
            self._await_commit()
        return execute(sql, params, many, context)

    def _await_commit(self) -> None:
        if not connection.in_atomic_block:
            self.found = True
        # The list loses the callback if its savepoint is rolled back.
        elif all(entry[1] != self._set_found for entry in connection.run_on_commit):
            connection.on_commit(self._set_found)

    def _set_found(self) -> None:
        self.found = True
