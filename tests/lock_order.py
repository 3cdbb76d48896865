"""Detects row locks outside the order of docs/architecture.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db import connection

from tenants.models import ActivityChain

# The order of the locks. Tables of one line may follow each other in any order. The administrators
# as a whole, and the chain of the installation, are no tables.
ADMINISTRATORS, INSTALLATION = "all administrators", "chain of the installation"
ORDER = (
    ("tenants_tenant",),
    (ADMINISTRATORS,),
    ("tenants_user",),
    ("tenants_domain", "tenants_host"),
    ("onboarding_cutover",),
    ("onboarding_requirementssheet",),
    ("onboarding_task",),
    ("checks_check",),
    ("tenants_activitychain",),
    ("tenants_notification",),
    ("onboarding_plan", "onboarding_phase"),
    (INSTALLATION,),
)
_RANK = {table: rank for rank, tables in enumerate(ORDER) for table in tables}
_LOCK = re.compile(r' FOR (?:NO KEY )?UPDATE(?: OF "(\w+)")?$')
_JOINED = re.compile(r'(?:FROM|JOIN) "(\w+)"')
_WRITE = re.compile(r'\s*(?:UPDATE|DELETE FROM) "(\w+)"')


class LockOrder:
    """An `execute_wrapper` that notes the first lock of each table in each transaction.

    Of people and of chains, it notes each row: several of them are locked in one transaction.

    The test runs inside a transaction, so that a savepoint is the transaction of a service. SQLite
    has no row locks, so that only tests on PostgreSQL find violations.
    """

    def __init__(self) -> None:
        self.violations: list[str] = []
        self._depth = 0
        self._locked: list[str] = []
        self._rows: list[tuple[str, Any]] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, *args: Any) -> Any:
        if connection.vendor != "postgresql":
            return execute(sql, params, *args)
        if sql.startswith("SAVEPOINT"):
            self._depth += 1
        elif sql.startswith("RELEASE SAVEPOINT"):
            self._depth -= 1
            if self._depth == 0:
                self._locked, self._rows = [], []
        else:
            for table in _locked_tables(sql):
                self._note_rows(table, sql, tuple(params or ()))
        return execute(sql, params, *args)

    def _note_rows(self, table: str, sql: str, params: tuple[Any, ...]) -> None:
        if table == "tenants_activitychain":
            self._note_chain(sql, params)
        elif table != "tenants_user":
            self._note(table, is_new=table not in self._locked)
        elif _LOCK.search(sql) and '"staff_role" = ' in sql:
            self._note(ADMINISTRATORS, is_new=ADMINISTRATORS not in self._locked)
        else:
            # The condition is at the end: an id, or a list of ids.
            ids = [each for each in params if isinstance(each, int)]
            for number in ids[-1:] if _WRITE.match(sql) else ids:
                self._note(table, is_new=(table, number) not in self._rows)
                self._rows.append((table, number))

    def _note_chain(self, sql: str, params: tuple[Any, ...]) -> None:
        if not _LOCK.search(sql):
            return  # the new head of a chain, which is locked
        scope = params[0]
        if scope == ActivityChain.INSTALLATION:
            self._note(INSTALLATION, is_new=INSTALLATION not in self._locked)
            return
        scopes = [each for name, each in self._rows if name == "tenants_activitychain"]
        if scope not in scopes:
            self._note("tenants_activitychain", is_new=True)
            self.violations += [f"chain {scope} after {each}" for each in scopes if each > scope]
            self._rows.append(("tenants_activitychain", scope))

    def _note(self, table: str, *, is_new: bool) -> None:
        if table not in _RANK or not is_new or self._depth == 0:
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
