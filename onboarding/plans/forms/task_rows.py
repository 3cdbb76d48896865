"""Forms of one choice in the row of a task: its assignee, and its responsible side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from onboarding.models import Responsibility
from tenants.models import User

_CHOOSE_SIDE = "Choose Mimecast, the client, or both. Nothing was changed."
_CHOOSE_PERSON = "Choose one of the people listed. Nothing was changed."


class ResponsibilityForm(forms.Form):
    """The responsible side of a task."""

    responsibility = forms.ChoiceField(
        label="Responsible side",
        choices=Responsibility.choices,
        error_messages={"required": _CHOOSE_SIDE, "invalid_choice": _CHOOSE_SIDE},
    )


class AssigneeForm(forms.Form):
    """The person who works on a task; empty for no assignee.

    `people` may be assigned. `current` remains possible, also if it is not among them.
    """

    person = forms.ChoiceField(
        label="Assignee", required=False, error_messages={"invalid_choice": _CHOOSE_PERSON}
    )

    def __init__(
        self, *args: Any, people: Iterable[User], current: User | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        offered = [*people, *([current] if current is not None else [])]
        field = self.fields["person"]
        assert isinstance(field, forms.ChoiceField)
        names = {person.public_id: str(person) for person in offered}
        field.choices = [("", "No assignee"), *names.items()]
