"""The rows that a request creates, changes and deletes, without random values.

Two requests from the same rows at the same time have equal effects, if they do the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.core.cache import cache
from django.db import connection, models, transaction
from django.urls import reverse
from django.utils import timezone

from tenants.activity_names import API_TOKEN
from tests.clock import frozen

Row = dict[str, Any]
Rows = dict[type[models.Model], dict[Any, Row]]
Effects = list[tuple[str, str, str]]
_MODELS: list[type[models.Model]] = [
    model
    for model in apps.get_models(include_auto_created=True)
    if model._meta.app_label in ("tenants", "checks", "onboarding")
]
# A request with a token marks its use.
_INCIDENTAL = {"tenants_apitoken", "tenants_idempotentrequest"}
# Random values and digests of them.
_VOLATILE = {
    "public_id",
    "token_hash",
    "digest",
    "head",
    "previous_hash",
    "hash",
    "stored_as",
    "claim_id",
    "salt",
}
_CUSTOM_KEY = re.compile(r"own-[0-9a-f]{12}")
# Also inside a common table expression.
_WRITES = re.compile(r'(?:INSERT (?:OR IGNORE )?INTO|UPDATE|DELETE FROM) (?:ONLY )?"?(\w+)"?')
_WRITE_WORD = re.compile(r"\b(?:INSERT|(?<!FOR )(?<!KEY )UPDATE|DELETE|MERGE|TRUNCATE|COPY)\b")
_COMMITMENT = re.compile(r'\{"commitment": [^}]*\}')


def effects_of(work: Callable[[], Any], *, before: Rows | None = None) -> tuple[Any, Effects]:
    """The answer, and its created, changed and deleted rows. The changes are rolled back.

    `before` are the present rows, for a caller that compares several requests from the same rows.
    """
    cache.clear()
    written = _WrittenTables()
    before = all_rows() if before is None else before
    with transaction.atomic():
        with connection.execute_wrapper(written):
            answer = work()
        # To read every table after each request would take most of the time of the tests.
        after = {
            model: _rows_of(model) if model._meta.db_table in written.names else rows
            for model, rows in before.items()
        }
        transaction.set_rollback(True)
    return answer, _compare(before, after)


def all_rows() -> Rows:
    return {model: _rows_of(model) for model in _MODELS if model._meta.db_table not in _INCIDENTAL}


def _rows_of(model: type[models.Model]) -> dict[Any, Row]:
    return {row[_pk(model)]: row for row in model._base_manager.values()}


class _WrittenTables:
    """The tables that statements write. The triggers of the product only reject statements."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        found = _WRITES.findall(str(sql))
        assert found or not _WRITE_WORD.search(str(sql)), f"a write of an unknown form: {sql}"
        self.names.update(found)
        return execute(sql, params, many, context)


def _pk(model: type[models.Model]) -> str:
    assert model._meta.pk is not None, "every table has a primary key"
    return model._meta.pk.attname


def _compare(before: Rows, after: Rows) -> Effects:
    random_ids = _new_public_ids(before, after)
    found: Effects = []
    for model, rows in after.items():
        old, table = before[model], model._meta.db_table
        found += [
            ("created", table, _text(model, row, before, random_ids))
            for pk, row in rows.items()
            if pk not in old
        ]
        found += [
            ("changed", table, _changes(model, old[pk], row, before, random_ids))
            for pk, row in rows.items()
            if pk in old and old[pk] != row
        ]
        found += [("deleted", table, str(pk)) for pk in old if pk not in rows]
    return sorted(found)


def _new_public_ids(before: Rows, after: Rows) -> list[str]:
    return [
        row["public_id"]
        for model, rows in after.items()
        for pk, row in rows.items()
        if pk not in before[model] and "public_id" in row
    ]


def _changes(
    model: type[models.Model], old: Row, new: Row, before: Rows, random_ids: list[str]
) -> str:
    changed = {name: value for name, value in new.items() if old[name] != value}
    return f"{old[_pk(model)]}: {_text(model, changed, before, random_ids)}"


def _text(model: type[models.Model], row: Row, before: Rows, random_ids: list[str]) -> str:
    """The values of a row as text. New rows and random values have one name."""
    shown = {
        field.attname: _value(field, row[field.attname], before)
        for field in model._meta.concrete_fields
        if field.attname in row and field.name not in _VOLATILE and not field.primary_key
    }
    text = json.dumps(shown, default=str, sort_keys=True, ensure_ascii=False)
    for each in random_ids:
        text = text.replace(each, "(new)")
    return _COMMITMENT.sub("(commitment)", _CUSTOM_KEY.sub("(key)", text))


def _value(field: Any, value: Any, before: Rows) -> Any:
    target = field.related_model
    if isinstance(value, dict):
        # The arguments of a queued task: PostgreSQL numbers a new row differently each time.
        return {key: each for key, each in value.items() if key not in (API_TOKEN, "args")}
    if isinstance(value, memoryview):
        return value.hex()
    is_new = target in before and value is not None and value not in before[target]
    return "(new)" if is_new else value


def address(name: str, *args: str) -> str:
    return reverse(f"onboarding:{name}", args=args)


def assert_equal_rows(page: Callable[[], Any], api: Callable[[], Any]) -> None:
    """Both requests succeed, with the same effects."""
    with frozen(timezone.now()):
        of_page, of_api = effects_of(page), effects_of(api)

    assert (of_page[0].status_code, of_api[0].status_code < 300) == (302, True)
    assert of_api[1] == of_page[1] != []


def errors_of(response: Any) -> tuple[int, dict[str, list[str]]]:
    return response.status_code, response.json()["errors"]
