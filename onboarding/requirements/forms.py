"""Forms for one row of a sheet and for an import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

from onboarding.models import SheetImport
from onboarding.requirements.columns import Column, SheetDefinition, ValidationContext
from onboarding.requirements.imports import PASTED, is_pasted
from onboarding.requirements.validation import SheetEntry, read_entry


class RowForm(forms.Form):
    """The cells of one row, with their errors."""

    # The version of the row that the person edits; 0 for a new row.
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,
        kind: SheetDefinition,
        validation_context: ValidationContext,
        question_key: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.validation_context = kind, validation_context
        self.question = kind.question(question_key)
        for column in kind.columns:
            if not kind.is_fixed or column.name == "answer":
                self.fields[column.name] = self._field(column)
        self.entry: SheetEntry | None = None

    def _field(self, column: Column) -> forms.Field:
        widget: forms.Widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
        if column.choices:
            empty = [] if column.default else [("", "Choose")]
            widget = forms.Select(choices=empty + [(word, word) for word in column.choices])
        label, hint = column.label, column.help
        if self.question is not None:
            label, hint = self.question.text, self.question.help
        return forms.CharField(
            label=label,
            help_text=hint,
            required=False,
            strip=False,
            initial=column.default,
            widget=widget,
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        typed = {name: str(cleaned.get(name) or "") for name in self.fields if name != "version"}
        if self.question is not None:
            typed["question"] = self.question.text
        self.entry = read_entry(self.kind, typed, self.validation_context)
        for name, sentence in self.entry.problems.items():
            self.add_error(name if name in self.fields else None, sentence)
        return cleaned

    @property
    def expected_version(self) -> int:
        return int(self.cleaned_data.get("version") or 0)

    def show_conflict(self, version: int) -> None:
        """Preserve the typed values, as a change of the current version of the row."""
        data = cast(QueryDict, self.data).copy()
        data[self.add_prefix("version")] = str(version)
        self.data = data


class SheetSignOffForm(forms.Form):
    """The sign-off of one side. The reason is required while questions are unanswered."""

    reason = forms.CharField(
        label="Reason for signing off without these answers",
        required=False,
        max_length=500,
        # htmx swaps the card after each answer. The typed reason must survive that.
        widget=forms.Textarea(attrs={"rows": 3, "hx-preserve": "true"}),
    )


class ImportForm(forms.Form):
    """Rows pasted from a spreadsheet, or a file. Both at once are refused as ambiguous."""

    pasted = forms.CharField(
        label="Rows copied from a spreadsheet",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocomplete": "off"}),
    )
    file = forms.FileField(
        label="or a file",
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(
            attrs={"accept": ".csv, .tsv, .txt, .xlsx, .ods, .xls, .html, .htm"}
        ),
    )

    def __init__(self, *args: Any, was_too_large: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.was_too_large = was_too_large

    @classmethod
    def of_request(cls, values: Mapping[str, Any], *, was_too_large: bool) -> ImportForm:
        """The form with the values of an API request."""
        file = values.get("file")
        files = {"file": file} if file is not None else None
        return cls({"pasted": values.get("pasted", "")}, files, was_too_large=was_too_large)

    @classmethod
    def for_correction(cls, job: SheetImport) -> ImportForm:
        """The form of an earlier import: its text, and the error next to it if it failed."""
        text = bytes(job.content).decode("utf-8", "replace") if is_pasted(job) else ""
        if job.status != SheetImport.Status.FAILED:
            return cls(initial={"pasted": text})
        form = cls({"pasted": text})
        # A file cannot be filled in again.
        form.errors.clear()
        form.add_error("pasted" if is_pasted(job) else "file", f"{job.name}: {job.error}")
        return form

    @property
    def filled_field(self) -> str:
        """The field of a valid form that has the content."""
        return "file" if self.cleaned_data.get("file") else "pasted"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        pasted, file = str(cleaned.get("pasted") or ""), cleaned.get("file")
        if self.was_too_large:
            self.add_error("file", "A file can have at most 10 MB. Nothing was imported.")
        elif isinstance(file, UploadedFile) and pasted.strip():
            self.add_error(
                "file", "Paste rows or choose a file, not both. The pasted rows are still here."
            )
        elif isinstance(file, UploadedFile):
            cleaned["name"], cleaned["content"] = file.name or "file", file.read()
        elif pasted.strip():
            cleaned["name"], cleaned["content"] = PASTED, pasted.encode("utf-8", "replace")
        else:
            self.add_error("pasted", "Paste rows here, or choose a file.")
        return cleaned
