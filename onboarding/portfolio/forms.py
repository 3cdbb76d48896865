"""Forms of test messages, of the bulk change of tasks, and of the what-if of a forecast."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from checks.engine.mail.message_parser import MAX_BYTES, UnreadableMessage, parse
from checks.models import SendingPlatform
from onboarding.plans.forms.dates import (
    _DAY,
    refuse_far_away,
)
from onboarding.portfolio.bulk import BulkChange
from tenants.models import Authentication, DirectoryMethod, Platform

FARTHEST_WHAT_IF = timedelta(days=730)
_DAY_INPUT = forms.DateInput(attrs={"type": "date"})


class BulkForm(forms.Form):
    """The change of all selected tasks. An empty field changes nothing."""

    person = forms.CharField(required=False, max_length=32)
    due_on = forms.DateField(
        required=False,
        label="Due on",
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages=_DAY,
        validators=[refuse_far_away],
    )
    comment = forms.CharField(
        required=False, strip=True, max_length=5000, widget=forms.Textarea(attrs={"rows": 2})
    )
    remind = forms.BooleanField(required=False)

    def change(self) -> BulkChange:
        return BulkChange(**self.cleaned_data)


class WhatIfForm(forms.Form):
    """A what-if of the forecast. An empty field changes nothing. Nothing is stored."""

    platform = forms.ChoiceField(choices=[("", "No change"), *Platform.choices], required=False)
    directory_method = forms.ChoiceField(
        choices=[("", "No change"), *DirectoryMethod.choices], required=False
    )
    authentication = forms.ChoiceField(
        choices=[("", "No change"), *Authentication.choices], required=False
    )
    add_product = forms.ChoiceField(required=False)
    remove_product = forms.ChoiceField(required=False)
    outbound_on = forms.DateField(
        required=False, label="Outbound cutover on", widget=_DAY_INPUT, error_messages=_DAY
    )
    inbound_on = forms.DateField(
        required=False, label="Inbound cutover on", widget=_DAY_INPUT, error_messages=_DAY
    )
    task = forms.ChoiceField(required=False)
    done_on = forms.DateField(
        required=False, label="Done on", widget=_DAY_INPUT, error_messages=_DAY
    )

    def __init__(
        self,
        *args: Any,
        today: date,
        tasks: Sequence[tuple[str, str]],
        products: Mapping[str, str],
        bought: Collection[str],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        offered = {
            "task": list(tasks),
            "add_product": [each for each in products.items() if each[0] not in bought],
            "remove_product": [each for each in products.items() if each[0] in bought],
        }
        for name, choices in offered.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", "No change"), *choices]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for name in ("outbound_on", "inbound_on", "done_on"):
            day = cleaned.get(name)
            if day is None:
                continue
            if day < self.today:
                self.add_error(name, "This day is in the past. Enter today or a later day.")
            elif day > self.today + FARTHEST_WHAT_IF:
                self.add_error(name, "Enter a day within two years of today.")
        if not self.errors and bool(cleaned.get("task")) != bool(cleaned.get("done_on")):
            missing = "done_on" if cleaned.get("task") else "task"
            self.add_error(missing, "Choose both the task and the day on which it is done.")
        return cleaned


_TOO_LARGE = (
    "The message has more than 2 MB and was not stored. Send a short message without attachments "
    "and submit that one."
)


_REFUSALS = {
    "too-large": _TOO_LARGE,
    "empty": "The message is empty.",
    "header-line": (
        "The text does not begin with header lines. In the mailbox choose “Show original” or “View "
        "source” and copy all of it, from the first line."
    ),
    "too-many-headers": "No mail server writes so many header lines. Submit a new message.",
    "header-too-long": "The header lines are too long for a message. Submit a new one.",
    "white-space": "The message contains long sequences of spaces. Submit a short plain message.",
    "outlook-file": (
        "This is a file of Outlook (.msg), which lacks the original text. In Outlook save the "
        "message as .eml, or copy its source from Outlook on the web."
    ),
    "zip": "This is a compressed file. Unpack it and submit the message inside.",
    "gzip": "This is a compressed file. Unpack it and submit the message inside.",
    "html": (
        "This is a web page. In the mailbox choose “Show original” or “View source”, not “Save "
        "page”."
    ),
    "pdf": "This is a PDF file. In the mailbox choose “Show original” or “View source”.",
    "quoted": "The lines begin with “>”, as in a reply. Copy the source of the message itself.",
    "several": "The file contains several messages. Export the one test message.",
    "utf-16": "The text is damaged UTF-16. Save it as UTF-8, or choose the original file.",
}


class MessageForm(forms.Form):
    """The source of a message, pasted or as a file. Both together are ambiguous and rejected."""

    source = forms.CharField(
        label="The message’s source",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocomplete": "off"}),
    )
    file = forms.FileField(
        label="or the message as a file",
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".eml, .txt, message/rfc822"}),
    )

    sending_platform = forms.ChoiceField(
        label="Sent from",
        choices=[("", "Choose the platform"), *SendingPlatform.choices],
        help_text="Each half of a hybrid system needs a message of its own.",
        error_messages={"required": "Choose the platform that sent the message."},
    )

    def __init__(
        self, *args: Any, was_too_large: bool = False, is_hybrid: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.was_too_large = was_too_large
        if not is_hybrid:
            del self.fields["sending_platform"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        pasted = str(cleaned.get("source") or "")
        file = cleaned.get("file")
        if self.was_too_large:
            self.add_error("file", _TOO_LARGE)
        elif isinstance(file, UploadedFile) and pasted.strip():
            self.add_error(
                "file",
                "Paste the message or choose a file, not both. Your text is still in the form.",
            )
        elif isinstance(file, UploadedFile):
            cleaned["content"] = self._checked("file", file.read(MAX_BYTES + 1))
        elif not pasted.strip():
            self.add_error("source", "Paste the message’s source, or choose a file.")
        else:
            cleaned["content"] = self._checked("source", pasted.encode("utf-8", "replace"))
        return cleaned

    def _checked(self, field: str, content: bytes) -> bytes:
        read = parse(content)
        if isinstance(read, UnreadableMessage):
            note = " Your text is still in the form." if field == "source" else ""
            self.add_error(field, _REFUSALS[read.problem] + note)
        return content
