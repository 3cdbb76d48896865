"""The form for the archive of a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms


class ArchiveForm(forms.Form):
    """One JSON file. Workers read its content, not the form."""

    file = forms.FileField(
        label="Archive",
        error_messages={
            "required": "Choose the archive of a tenant.",
            "empty": "The file is empty. Nothing was imported.",
        },
        widget=forms.FileInput(attrs={"accept": ".json"}),
    )

    def __init__(self, *args: Any, was_too_large: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.was_too_large = was_too_large

    @classmethod
    def of_request(cls, values: Mapping[str, Any], *, was_too_large: bool) -> ArchiveForm:
        """The form with the file of an API request."""
        file = values.get("file")
        return cls({}, {"file": file} if file is not None else None, was_too_large=was_too_large)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.was_too_large:
            self.errors.pop("file", None)
            self.add_error(
                "file",
                "The archive is larger than this installation accepts. Import it with the command"
                " import_tenant.",
            )
        return cleaned
