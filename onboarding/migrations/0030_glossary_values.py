"""Rename stored values to the terms of the glossary.

Content under a digest (activity lines, snapshots, decisions, closing packs) keeps its old terms; the code maps them
when it reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

VALUES = {
    ("Task", "status"): {
        "half": "partly_confirmed",
        "claimed": "awaiting_verification",
        "broken": "regressed",
        "proven": "verified",
        "accepted": "accepted_risk",
    },
    ("Task", "manual_status"): {"accepted": "accepted_risk", "set_aside": "not_needed"},
    ("CutoverSnapshot", "reason"): {"asked": "requested"},
    ("Drift", "resolution"): {
        "mended": "resolved",
        "settled": "applied",
        "let_go": "unmonitored",
    },
    ("SheetImport", "status"): {"refused": "failed"},
}
UNDO_TASK_KEYS = {
    "mark": "manual_status",
    "mark_because": "status_reason",
    "marked_at": "status_set_at",
    "marked_by_id": "status_set_by_id",
    "mark_side": "status_waiting_on",
    "mark_until": "accepted_until",
}
UNDO_DOMAIN_KEYS = {"exempt_because": "exempt_reason"}
CHANGE_KEYS = {"what": "type", "ending": "resolution"}
CHANGE_TYPES = {"still": "still_open", "ended": "closed"}
REGION_KEYS = {"gone": "removed", "come": "added"}
REPORT_KEYS = {"is_anew": "is_repeated"}

Names = dict[str, str]


def _inverse(names: Names) -> Names:
    return {new: old for old, new in names.items()}


def _renamed(content: dict[str, Any], keys: Names) -> dict[str, Any]:
    return {keys.get(key, key): value for key, value in content.items()}


def _undo(content: dict[str, Any], name: Callable[[Names], Names]) -> dict[str, Any]:
    task = _renamed(content["task"], name(UNDO_TASK_KEYS))
    status = name({"mark": "manual_status"}).get("mark", "mark")
    if status in task:
        values = name(VALUES[("Task", "manual_status")])
        task[status] = values.get(task[status], task[status])
    parts = {
        domain: _renamed(before, name(UNDO_DOMAIN_KEYS))
        for domain, before in content["parts"].items()
    }
    return content | {"task": task, "parts": parts}


def _changes(content: list[dict[str, Any]], name: Callable[[Names], Names]) -> list[dict[str, Any]]:
    keys, types = name(CHANGE_KEYS), name(CHANGE_TYPES)
    endings = name(VALUES[("Drift", "resolution")])
    done = []
    for change in content:
        item = _renamed(change, keys)
        for key, values in (
            ("type", types),
            ("what", types),
            ("resolution", endings),
            ("ending", endings),
        ):
            if key in item:
                item[key] = values.get(item[key], item[key])
        done.append(item)
    return done


def _dry_run(content: dict[str, Any], name: Callable[[Names], Names]) -> dict[str, Any]:
    done = _renamed(content, name({"steps": "tasks"}))
    for key in ("rows", *name({"steps": "tasks"}).values()):
        if key in done:
            done[key] = [_renamed(each, name({"words": "detail"})) for each in done[key]]
    return done


def _blockers(content: list[str], name: Callable[[Names], Names]) -> list[str]:
    names = name({"clock": "safe-time"})
    return [names.get(each, each) for each in content]


def _rewrite(rows: Any, field: str, change: Callable[[Any], Any]) -> None:
    for pk, content in rows.values_list("pk", field).iterator(chunk_size=500):
        if content:
            rows.filter(pk=pk).update(**{field: change(content)})


def _rename(apps: StateApps, name: Callable[[Names], Names]) -> None:
    def rows(model: str) -> Any:
        return apps.get_model("onboarding", model)._base_manager

    for (model, field), values in VALUES.items():
        for before, after in name(values).items():
            rows(model).filter(**{field: before}).update(**{field: after})
    _rewrite(rows("Task").exclude(undo=None), "undo", lambda c: _undo(c, name))
    _rewrite(rows("DriftNotification").all(), "changes", lambda c: _changes(c, name))
    _rewrite(
        rows("Drift").filter(kind="region_changed"),
        "findings",
        lambda c: [_renamed(each, name(REGION_KEYS)) for each in c],
    )
    _rewrite(rows("DryRun").all(), "content", lambda c: _dry_run(c, name))
    _rewrite(rows("SheetImport").all(), "report", lambda c: _renamed(c, name(REPORT_KEYS)))
    _rewrite(rows("Cutover").all(), "accepted_blockers", lambda c: _blockers(c, name))


def forwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _rename(apps, lambda names: names)


def backwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _rename(apps, _inverse)


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0029_glossary_options")]

    operations = [migrations.RunPython(forwards, backwards)]
