"""The form of a test message or a received message."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from checks.engine.mail.message_parser import MAX_BYTES, UnreadableMessage, parse
from checks.engine.outcomes import CheckKind
from checks.models import Check, SendingPlatform
from tenants.models import Platform, Tenant

_TOO_LARGE = (
    "The message has more than 2 MB and was not stored. Send a short message without attachments "
    "and submit that one."
)

_SHOW_ORIGINAL = (
    "In the mailbox choose “Show original” or “View source”, and copy or save all of it."
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
    "displayed": (
        "This is the message as a mail program shows or forwards it. Choose “Show original” or "
        "“View source”, and submit only the source, without a summary above it."
    ),
    "several": "The file contains several messages. Export the one test message.",
    "utf-16": (
        "The text is damaged UTF-16 or UTF-32. Save it as UTF-8, or choose the original file."
    ),
    "no-from": (
        "The header lines name no sender, as in a text that was copied with gaps or from the page "
        "of a mail program. Choose “Show original” or “View source” and copy all of it."
    ),
    "bad-line": (
        "Line {line} is no header line. Copying can break a long line in two, or add one. Save the "
        "message as a file in the mailbox, and choose the file."
    ),
    "rtf": f"This is a formatted document. {_SHOW_ORIGINAL}",
    "image": f"This is a picture. {_SHOW_ORIGINAL}",
    "data": f"This is a file of data, such as JSON. {_SHOW_ORIGINAL}",
    "binary": f"This is no text. {_SHOW_ORIGINAL}",
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

    def refuse_content(self, refusal: str) -> None:
        """Show a refusal next to the field with the message."""
        self.add_error("source" if self.cleaned_data.get("source") else "file", refusal)

    def _checked(self, field: str, content: bytes) -> bytes:
        read = parse(content)
        if isinstance(read, UnreadableMessage):
            note = " Your text is still in the form." if field == "source" else ""
            self.add_error(field, _REFUSALS[read.problem].format(line=read.line) + note)
        return content


def states_platform(tenant: Tenant, check: Check) -> bool:
    """Whether the message can come from one of two platforms, which the person has to state."""
    return tenant.platform == Platform.HYBRID and check.kind == CheckKind.MESSAGE
