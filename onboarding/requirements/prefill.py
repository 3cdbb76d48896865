"""Prefill fixed questions with the answers that Gangway knows. A typed answer never changes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from onboarding.errors import ConflictingChange, OnboardingError
from onboarding.models import Plan, RequirementsSheet, SheetRow
from onboarding.requirements.columns import Question
from onboarding.requirements.definitions import FIXED_KINDS
from onboarding.requirements.host_sheets import RowEdit, sync_host_sheets
from onboarding.requirements.host_values import host_questions
from onboarding.requirements.known_answers import (
    KnownAnswer,
    TenantFacts,
    known_answers,
    stored_answers,
)
from onboarding.requirements.services import lock_open, record_change
from onboarding.requirements.sign_off import definition_of, lock_sheet
from onboarding.requirements.validation import text_of
from tenants import database_time
from tenants.activity_names import ActivityName
from tenants.models import User


@dataclass(frozen=True)
class OpenAnswer:
    """An answer that Gangway knows and the sheet does not have. `current` is the sheet's answer."""

    question: Question
    known: KnownAnswer
    current: str

    @property
    def source_label(self) -> str:
        return str(self.known.source.label)


def open_answers(sheet: RequirementsSheet) -> list[OpenAnswer]:
    """The known answers that differ from those of the sheet, in the order of the questions."""
    kind = definition_of(sheet)
    if not any(question.fact for question in kind.questions):
        return []
    known = known_answers(TenantFacts(sheet.task.plan.tenant), kind)
    stored = dict(SheetRow.objects.filter(sheet=sheet).values_list("key", "values"))
    return [
        OpenAnswer(question, known[question.key], stored[question.key]["answer"])
        for question in kind.questions
        if question.key in known
        and question.key in stored
        and stored[question.key]["answer"] != known[question.key].text
    ]


def prefill_plan(plan: Plan) -> None:
    """Update the prefilled answers of all sheets of the plan that no side has signed off, and the
    delivery hosts of every sheet.

    Other answers that a person typed or emptied remain. Safe to run again.
    """
    sync_host_sheets(plan)
    facts = TenantFacts(plan.tenant)
    sheets = RequirementsSheet.objects.filter(task__plan=plan, kind__in=FIXED_KINDS)
    for sheet in sheets.order_by("pk"):
        with contextlib.suppress(ConflictingChange), transaction.atomic():
            locked = lock_sheet(sheet)
            if locked.signed_sides or locked.task.plan.tenant.is_closed:
                continue
            kind = definition_of(locked)
            known = stored_answers(facts, kind)
            rows = SheetRow.objects.filter(sheet=locked).exclude(key__in=host_questions(kind))
            rows = rows.order_by("position")
            _store(locked, [row for row in rows if _may_prefill(row)], known, by=None)


def _may_prefill(row: SheetRow) -> bool:
    """Whether the answer is Gangway's own, or no person has touched the question yet."""
    return bool(row.source) or (not row.values["answer"] and row.changed_by_id is None)


def use_known_answers(sheet: RequirementsSheet, key: str, *, by: User) -> int:
    """Store one known answer, or with an empty key those of all unanswered questions.

    Returns their number. Raises OnboardingError if none is open any more.
    """
    with transaction.atomic():
        locked = lock_open(sheet)
        wanted = [
            each.question.key
            for each in open_answers(locked)
            if (each.question.key == key if key else not each.current)
        ]
        if not wanted:
            raise OnboardingError("This answer is no longer open. Nothing was changed.")
        known = known_answers(TenantFacts(locked.task.plan.tenant), definition_of(locked))
        rows = SheetRow.objects.filter(sheet=locked, key__in=wanted).order_by("position")
        return _store(locked, list(rows), known, by=by)


def _store(
    locked: RequirementsSheet,
    rows: Sequence[SheetRow],
    known: dict[str, KnownAnswer],
    *,
    by: User | None,
) -> int:
    changed, edit = [], RowEdit([], [])
    for row in rows:
        answer = known.get(row.key)
        # The fact has gone: the answer was Gangway's own and goes with it.
        text, source = (answer.text, answer.source.value) if answer else ("", "")
        before = row.values["answer"]
        if (before, row.source) == (text, source):
            continue
        edit.before.append(row.values)
        row.values = row.values | {"answer": text}
        edit.after.append(row.values)
        row.text, row.source = text_of(row.values), source
        row.version, row.changed_by, row.changed_at = row.version + 1, by, database_time.now()
        row.save()
        changed.append(row)
    if changed:
        names = ", ".join(row.values["question"] for row in changed)
        record_change(locked, ActivityName.SHEET_CHANGED, by=by, what=names[:120], edit=edit)
    return len(changed)
