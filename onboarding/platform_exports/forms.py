"""The form of an export of the mail platform. It checks the size alone: a worker reads the text."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from checks.engine.sources.exports.texts import MAX_BYTES

_TOO_LARGE = (
    "The export has more than 2 MB and was not stored. Run the script of this page: it exports only"
    " the settings that Gangway needs."
)


class ExportForm(forms.Form):
    """An export, pasted or as a file. Both together are ambiguous and rejected."""

    text = forms.CharField(
        label="The content of the file",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "autocomplete": "off"}),
    )
    file = forms.FileField(
        label="The file that the script wrote",
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".json, .xml, .txt, .clixml"}),
    )

    def __init__(self, *args: Any, was_too_large: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.was_too_large = was_too_large

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        pasted = str(cleaned.get("text") or "")
        file = cleaned.get("file")
        if self.was_too_large:
            self.add_error("file", _TOO_LARGE)
        elif isinstance(file, UploadedFile) and pasted.strip():
            self.add_error(
                "file", "Paste the text or choose a file, not both. Your text is still in the form."
            )
        elif isinstance(file, UploadedFile):
            cleaned["content"] = self._checked("file", file.read(MAX_BYTES + 1))
        elif not pasted.strip():
            self.add_error("file", "Choose the file, or paste its content.")
        else:
            cleaned["content"] = self._checked("text", pasted.encode("utf-8", "replace"))
        return cleaned

    def _checked(self, field: str, content: bytes) -> bytes:
        if len(content) > MAX_BYTES:
            self.add_error(field, _TOO_LARGE)
        elif not content.strip():
            self.add_error(field, "The file is empty.")
        return content
