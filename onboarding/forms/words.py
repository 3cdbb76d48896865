"""The words people give when they move a task or exempt a domain."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, time
from typing import Any, ClassVar, cast

from django import forms
from django.utils import timezone

from onboarding.models import Contact, Responsibility, Task
from onboarding.plans.moves import LONGEST_REASON, Move, problem_with
from onboarding.talk import Words
from tenants.models import Tenant


class MoveForm(forms.Form):
    """Why, and where the move asks for it, until which day in the tenant's time zone."""

    because = forms.CharField(
        required=False, strip=True, widget=forms.Textarea(attrs={"rows": 3}), label="In your words"
    )
    until = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        label="Until",
        error_messages={"invalid": "Enter a day, such as 2026-12-31."},
    )
    # The state that the person had before them; another one means that somebody was faster.
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, move: Move, tenant: Tenant, task: Task, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.move = move
        self.time_zone = zoneinfo.ZoneInfo(tenant.time_zone)
        self.fields["seen"].initial = task.state
        if move.asks_why:
            self.fields["because"].label = move.asks_why
        else:
            del self.fields["because"]
        if not move.asks_until:
            del self.fields["until"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        until = self._end_of(cleaned.get("until"))
        cleaned |= {"because": cleaned.get("because", ""), "until": until}
        if not self.errors:
            problem = problem_with(cleaned["because"], until, self.move, now=timezone.now())
            if problem:
                about_words = not cleaned["because"] or len(cleaned["because"]) > LONGEST_REASON
                named = "because" if about_words else "until"
                self.add_error(named if named in self.fields else None, problem)
        return cleaned

    def _end_of(self, day: Any) -> datetime | None:
        """The last moment of the day, so that "until the 3rd" holds all of the 3rd."""
        if day is None:
            return None
        return datetime.combine(day, time(23, 59, 59), tzinfo=self.time_zone)

    def show_anew(self, task: Task, problem: str) -> None:
        """The task moved: keep the words, and let the person decide again from where it is now."""
        kept = {name: self.data.get(name, "") for name in self.fields}
        self.data = {**kept, "seen": task.state}
        self.add_error(None, problem)


class ExemptionForm(forms.Form):
    because = forms.CharField(
        strip=True,
        max_length=300,
        label="Why is this domain exempt from the task?",
        help_text="For instance: parked, never receives mail.",
        error_messages={"required": "Say why; the domain is still in scope."},
    )


class SignOffForm(forms.Form):
    because = forms.CharField(
        strip=True,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="In your own words: the implementation is complete, and what is left to watch",
        help_text="Once both sides have signed, the plan is kept as it is and nobody changes it any"
        " more. The checks go on watching what was proven.",
        error_messages={"required": "Say it in a few words: they stay with the plan."},
    )


class ReopenForm(forms.Form):
    because = forms.CharField(
        strip=True,
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Why it is opened again",
        error_messages={"required": "Say why in a few words: they stay with the activity."},
    )


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

    def words(self) -> Words:
        kind = self.cleaned_data["kind"]
        return Words(
            self.cleaned_data["body"],
            is_internal=kind == "internal",
            asks=self.other_side if kind == "question" else "",
            file=self.cleaned_data["file"],
        )


def _named(side: str) -> str:
    return "the client" if side == Responsibility.CLIENT else "Mimecast"


class ContactForm(forms.ModelForm[Contact]):
    """Somebody who takes part, and how to reach them."""

    class Meta:
        model = Contact
        fields: ClassVar[list[str]] = ["part", "name", "email", "phone", "remark"]
        labels: ClassVar[dict[str, str]] = {"part": "Part to play", "email": "E-mail"}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors and not (cleaned.get("email") or cleaned.get("phone")):
            self.add_error("email", "Give an e-mail address or a telephone number.")
        others = Contact.objects.filter(
            tenant_id=self.instance.tenant_id, part=cleaned.get("part"), name=cleaned.get("name")
        )
        if others.exclude(pk=self.instance.pk).exists():
            self.add_error("name", "This person plays that part already.")
        return cleaned
