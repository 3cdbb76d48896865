"""Add suggested senders to the sheet of anti-spoofing exceptions.

A person adds each sender or all of them: an exception lets in mail in the tenant's own name, so
Gangway adds none on its own.
"""

from __future__ import annotations

from django.db import transaction

from onboarding.errors import OnboardingError
from onboarding.models import RequirementsSheet, SheetRow
from onboarding.requirements.queries import sender_suggestions
from onboarding.requirements.services import DuplicateRow, add_row, validation_context_of
from onboarding.requirements.sign_off import definition_of
from onboarding.requirements.validation import read_entry
from tenants.models import User


def use_suggestions(sheet: RequirementsSheet, wanted: str, *, by: User) -> int:
    """Add the suggestion with this id, or all with an empty id. Returns the number of rows.

    Raises OnboardingError if none exists any more, or if the wanted one is no valid row.
    """
    kind, context = definition_of(sheet), validation_context_of(sheet.task.plan.tenant)
    entries = [
        read_entry(kind, each.row, context)
        for each in sender_suggestions(sheet)
        if each.row and wanted in ("", each.suggestion_id)
    ]
    problems = [text for entry in entries for text in entry.problems.values()]
    if wanted and problems:
        raise OnboardingError(" ".join(problems))
    added = 0
    with transaction.atomic():
        for entry in entries:
            if entry.problems:
                continue
            try:
                add_row(sheet, entry, by=by, source=SheetRow.Source.DNS)
            except DuplicateRow:
                # Two terms of the record are one exception.
                continue
            added += 1
    if not added:
        raise OnboardingError("The suggestion no longer exists. Nothing was added.")
    return added
