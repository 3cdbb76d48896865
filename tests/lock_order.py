"""Detects row locks outside the order of docs/architecture.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db import connection

# The order of the locks. Tables of one line may follow each other in any order.
ORDER = (
    ("tenants_tenant",),
    ("tenants_domain", "tenants_host"),
    ("onboarding_cutover",),
    ("onboarding_requirementssheet",),
    ("onboarding_task",),
    ("checks_check",),
    ("tenants_activitychain",),
    ("tenants_notification",),
    ("onboarding_plan", "onboarding_phase"),
)
_RANK = {table: rank for rank, tables in enumerate(ORDER) for table in tables}
_LOCK = re.compile(r' FOR (?:NO KEY )?UPDATE(?: OF "(\w+)")?$')
_JOINED = re.compile(r'(?:FROM|JOIN) "(\w+)"')
_WRITE = re.compile(r'\s*(?:UPDATE|DELETE FROM) "(\w+)"')


class LockOrder:
    """An `execute_wrapper` that notes the first lock of each table in each transaction.

    The test runs inside a transaction, so that a savepoint is the transaction of a service. SQLite
    has no row locks, so that only tests on PostgreSQL find violations.
    """

    def __init__(self) -> None:
        self.violations: list[str] = []
        self._depth = 0
        self._locked: list[str] = []

    def __call__(self, execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if connection.vendor != "postgresql":
            return execute(sql, *args)
        if sql.startswith("SAVEPOINT"):
            self._depth += 1
        elif sql.startswith("RELEASE SAVEPOINT"):
            self._depth -= 1
            if self._depth == 0:
                self._locked = []
        else:
            for table in _locked_tables(sql):
                self._note(table)
        return execute(sql, *args)

    def _note(self, table: str) -> None:
        if table not in _RANK or table in self._locked or self._depth == 0:
            return
        later = [other for other in self._locked if _RANK[other] > _RANK[table]]
        if later:
            self.violations.append(f"{table} after {', '.join(later)}")
        self._locked.append(table)


def _locked_tables(sql: str) -> list[str]:
    """The tables whose rows the statement locks. A SELECT without OF locks all that it joins."""
    write, lock = _WRITE.match(sql), _LOCK.search(sql)
    if write:
        return [write.group(1)]
    if lock is None:
        return []
    return [lock.group(1)] if lock.group(1) else _JOINED.findall(sql)
