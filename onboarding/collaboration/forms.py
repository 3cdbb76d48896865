"""Forms of comments, contacts and share links."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django import forms

from onboarding.collaboration.comments import NewComment
from onboarding.models import Contact, Responsibility
from onboarding.models.files import LIFETIME_DAYS


class ShareLinkForm(forms.Form):
    """The recipient of a share link, and its lifetime in days."""

    recipient = forms.CharField(
        label="Recipient",
        max_length=100,
        strip=True,
        error_messages={"required": "Enter the recipient. No link was created."},
    )
    days = forms.TypedChoiceField(
        label="Valid for",
        choices=[(d, f"{d} day" if d == 1 else f"{d} days") for d in LIFETIME_DAYS],
        coerce=int,
        error_messages={
            "required": "Choose the number of days. No link was created.",
            "invalid_choice": "Choose the number of days from the list. No link was created.",
        },
    )


class CommentForm(forms.Form):
    """A comment, a question to the other side, or, for staff, an internal note."""

    body = forms.CharField(
        strip=True,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="Comment",
        help_text="Markdown works. Mention a person with @ and their full name.",
        error_messages={"required": "Enter a text."},
    )
    kind = forms.ChoiceField(label="Kind", required=False)
    file = forms.FileField(
        required=False,
        label="Evidence file",
        help_text="PNG, JPG, PDF, TXT, EML, CSV, JSON or XLSX, 10 MB at most. Both sides can read"
        " it.",
        error_messages={"empty": "The file is empty. Your text is still in the form."},
    )

    def __init__(self, *args: Any, side: str, too_large: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.too_large = too_large
        self.other_side = (
            Responsibility.MIMECAST if side == Responsibility.CLIENT else Responsibility.CLIENT
        )
        choices = [("", "a comment"), ("question", f"a question to {_side_name(self.other_side)}")]
        if side == Responsibility.MIMECAST:
            choices.append(("internal", "an internal note, hidden from clients"))
        cast(forms.ChoiceField, self.fields["kind"]).choices = choices

    def clean_file(self) -> Any:
        if self.too_large:
            raise forms.ValidationError(
                "A file may have 10 MB at most. Your text is still in the form."
            )
        return self.cleaned_data["file"]

    def new_comment(self) -> NewComment:
        kind = self.cleaned_data["kind"]
        return NewComment(
            self.cleaned_data["body"],
            is_internal=kind == "internal",
            asked_side=self.other_side if kind == "question" else "",
            file=self.cleaned_data["file"],
        )


def _side_name(side: str) -> str:
    return "the client" if side == Responsibility.CLIENT else "Mimecast"


class EvidenceFileForm(forms.Form):
    """A file for a task. The service decides about its size and content."""

    file = forms.FileField(
        label="File",
        required=False,
        allow_empty_file=True,
        help_text="PNG, JPG, PDF, TXT, EML, CSV, JSON or XLSX, at most 10 MB. Everyone with access"
        " to this plan can read it.",
        widget=forms.FileInput(
            attrs={"accept": ".png, .jpg, .jpeg, .pdf, .txt, .eml, .csv, .json, .xlsx"}
        ),
    )


class ContactForm(forms.ModelForm[Contact]):
    """A person involved, with their role and contact data."""

    class Meta:
        model = Contact
        fields: ClassVar[list[str]] = ["role", "name", "email", "phone", "availability"]
        labels: ClassVar[dict[str, str]] = {"role": "Role", "email": "E-mail"}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors and not (cleaned.get("email") or cleaned.get("phone")):
            self.add_error("email", "Enter an e-mail address or a telephone number.")
        others = Contact.objects.filter(
            tenant_id=self.instance.tenant_id, role=cleaned.get("role"), name=cleaned.get("name")
        )
        if others.exclude(pk=self.instance.pk).exists():
            self.add_error("name", "This person has that role already.")
        return cleaned
