"""TODO docstring."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django import forms

from onboarding.collaboration.comments import NewComment
from onboarding.models import Contact, Responsibility
from onboarding.models.files import LIFETIME_DAYS


class ShareLinkForm(forms.Form):
    """For whom a hand-off link is, and how long it works."""

    recipient = forms.CharField(max_length=100, strip=True)
    days = forms.TypedChoiceField(choices=[(d, str(d)) for d in LIFETIME_DAYS], coerce=int)


class CommentForm(forms.Form):
    """A remark, a question to the other side, or, for staff, an internal note."""

    body = forms.CharField(
        strip=True,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="Your words",
        help_text="Markdown works. Name somebody with @ and their full name.",
        error_messages={"required": "Write something first."},
    )
    kind = forms.ChoiceField(label="This is", required=False)
    file = forms.FileField(
        required=False,
        label="A file that shows it",
        help_text="PNG, JPG, PDF, TXT, EML, CSV or XLSX, 10 MB at most. Both sides can read it.",
        error_messages={"empty": "The file is empty. Your words are kept here."},
    )

    def __init__(self, *args: Any, side: str, too_large: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.too_large = too_large
        self.other_side = (
            Responsibility.MIMECAST if side == Responsibility.CLIENT else Responsibility.CLIENT
        )
        choices = [("", "a remark"), ("question", f"a question to {_named(self.other_side)}")]
        if side == Responsibility.MIMECAST:
            choices.append(("internal", "an internal note, which no client ever sees"))
        cast(forms.ChoiceField, self.fields["kind"]).choices = choices

    def clean_file(self) -> Any:
        if self.too_large:
            raise forms.ValidationError("A file may have 10 MB at most. Your words are kept here.")
        return self.cleaned_data["file"]

    def new_comment(self) -> NewComment:
        kind = self.cleaned_data["kind"]
        return NewComment(
            self.cleaned_data["body"],
            is_internal=kind == "internal",
            asked_side=self.other_side if kind == "question" else "",
            file=self.cleaned_data["file"],
        )


def _named(side: str) -> str:
    return "the client" if side == Responsibility.CLIENT else "Mimecast"


class ContactForm(forms.ModelForm[Contact]):
    """Somebody who takes part, and how to reach them."""

    class Meta:
        model = Contact
        fields: ClassVar[list[str]] = ["role", "name", "email", "phone", "availability"]
        labels: ClassVar[dict[str, str]] = {"role": "Part to play", "email": "E-mail"}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors and not (cleaned.get("email") or cleaned.get("phone")):
            self.add_error("email", "Give an e-mail address or a telephone number.")
        others = Contact.objects.filter(
            tenant_id=self.instance.tenant_id, role=cleaned.get("role"), name=cleaned.get("name")
        )
        if others.exclude(pk=self.instance.pk).exists():
            self.add_error("name", "This person plays that role already.")
        return cleaned
