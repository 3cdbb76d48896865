"""Forms of the cutovers: planning, window, votes, people on call, dry run and pre-flight check."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.db.models import Model

from checks.engine.zone_text import MAX_CHARACTERS
from onboarding.cutovers.go_no_go import Vote, client_approvers, staff_approvers
from onboarding.cutovers.on_call import OnCallCandidate
from onboarding.cutovers.window_confirmation import WindowConfirmation
from onboarding.cutovers.windows import MAX_WINDOW_MINUTES, MIN_WINDOW_MINUTES
from onboarding.models import Cutover
from onboarding.plans.forms.dates import refuse_far_away
from tenants import database_time
from tenants.models import Domain, Tenant, User

# Senders read at most this many bytes of a policy (RFC 8461 section 3.3).
LONGEST_POLICY = 64_000


class _DomainChoice(forms.ModelMultipleChoiceField["Domain"]):
    def label_from_instance(self, obj: Model) -> str:
        assert isinstance(obj, Domain)
        return f"{obj} ({obj.get_role_display().lower()})"


class CutoverForm(forms.Form):
    """The start of a cutover, in the tenant's time zone, its domains, and the reason for a time
    with cautions. `past_error` is the refusal of a start in the past."""

    planned_at = forms.DateTimeField(
        label="Begins",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={
            "required": "Enter the date and time at which the window begins.",
            "invalid": "Enter a date and time, such as 2026-12-03 19:00.",
        },
    )
    domains = _DomainChoice(
        Domain.objects.none(),
        to_field_name="public_id",
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": "Choose at least one domain.",
            "invalid_choice": "One of these domains is in another cutover now. Choose again.",
        },
    )
    reason = forms.CharField(
        max_length=1000,
        required=False,
        strip=True,
        label="Reason for this time",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The room, the timeline and the activity log show it with your name.",
    )

    def __init__(
        self,
        *args: Any,
        time_zone: str,
        offered: Iterable[Domain],
        past_error: str = "This time is in the past. Enter a later time.",
        unmoved: datetime | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.past_error, self.unmoved = past_error, unmoved
        self.time_zone = zoneinfo.ZoneInfo(time_zone)
        self.fields["planned_at"].help_text = f"{time_zone} time."
        field = self.fields["domains"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = Domain.objects.filter(pk__in=[domain.pk for domain in offered])

    def clean_planned_at(self) -> datetime:
        # The form parses the input as UTC, but people enter the tenant's local time.
        typed: datetime = self.cleaned_data["planned_at"]
        refuse_far_away(typed.date())
        meant = typed.replace(tzinfo=self.time_zone)
        # In the night of a clock change, one hour does not exist or exists twice.
        back = meant.astimezone(UTC).astimezone(self.time_zone)
        if back.replace(tzinfo=None) != typed.replace(tzinfo=None):
            raise forms.ValidationError(
                "Clocks go forward over this hour that night. Choose another."
            )
        if meant.utcoffset() != meant.replace(fold=1).utcoffset():
            raise forms.ValidationError("This hour occurs twice that night. Choose another.")
        # After a window its domains can still change.
        if meant <= database_time.now() and meant != self.unmoved:
            raise forms.ValidationError(self.past_error)
        return meant


class CancelForm(forms.Form):
    """The reason for a cancellation, which is necessary if inbound mail would switch first."""

    reason = forms.CharField(
        label="Reason, if an inbound cutover remains planned",
        max_length=1000,
        required=False,
        strip=True,
    )


class _ShownWindowForm(forms.Form):
    """The start and the round of the window on the page, which reveal a change since then.

    The templates have these hidden fields, with the current values also after a refusal.
    """

    planned_at = forms.DateTimeField(widget=forms.HiddenInput)
    round = forms.IntegerField(widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not {"planned_at", "round"} <= cleaned.keys():
            self.add_error(None, "The page names no window. Check the window below and try again.")
        return cleaned


class WindowForm(_ShownWindowForm):
    """The confirmation of a window."""

    length_minutes = forms.IntegerField(
        label="Length in minutes", min_value=MIN_WINDOW_MINUTES, max_value=MAX_WINDOW_MINUTES
    )
    outbound_days = forms.IntegerField(
        label="Days from outbound to inbound", min_value=0, max_value=60
    )
    accepted_risk = forms.CharField(
        label="Reason for accepting the risk",
        max_length=1000,
        required=False,
        strip=True,
        help_text="Recorded with your name",
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    @classmethod
    def of(cls, cutover: Cutover, data: Any = None) -> WindowForm:
        """The form with the input, or else with the stored values of the cutover."""
        names = ("length_minutes", "outbound_days", "accepted_risk")
        initial = {name: getattr(cutover, name) for name in names}
        return cls(data, initial=initial, auto_id="window_%s")

    @property
    def confirmation(self) -> WindowConfirmation:
        return WindowConfirmation(**self.cleaned_data)


def _approver_field(label: str) -> forms.ModelChoiceField[User]:
    return forms.ModelChoiceField(
        User.objects.none(),
        label=label,
        required=False,
        to_field_name="public_id",
        empty_label="No approver yet",
        error_messages={"invalid_choice": "Choose an approver from the list."},
    )


class ApproversForm(forms.Form):
    """The approvers, one of each side."""

    mimecast = _approver_field("For Mimecast")
    client = _approver_field("For the client")

    @classmethod
    def of(cls, cutover: Cutover, data: Any = None) -> ApproversForm:
        """The form with the input, or else with the stored approvers of the cutover."""
        initial = {"mimecast": cutover.mimecast_approver, "client": cutover.client_approver}
        tenant = cutover.plan.tenant
        return cls(data, tenant=tenant, initial=initial, auto_id="approver_%s")

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, people in (("mimecast", staff_approvers()), ("client", client_approvers(tenant))):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = people


class OnCallForm(forms.Form):
    """A person on call and the phone number."""

    person = forms.ChoiceField(
        error_messages={
            "required": "Choose a person.",
            "invalid_choice": "Choose a person from the list.",
        }
    )
    phone = forms.CharField(
        max_length=40,
        required=False,
        strip=True,
        help_text="If empty, Gangway uses the phone number of the contact.",
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, people: Iterable[OnCallCandidate], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = {person.key: person for person in people}
        field = self.fields["person"]
        assert isinstance(field, forms.ChoiceField)
        sides = {"Mimecast": "mimecast", "Client": "client"}
        field.choices = [
            (label, [(p.key, p.name) for p in self.people.values() if p.side == side])
            for label, side in sides.items()
        ]

    @property
    def chosen(self) -> OnCallCandidate:
        return self.people[self.cleaned_data["person"]]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "person" in cleaned and "phone" in cleaned:
            cleaned["phone"] = cleaned["phone"] or self.chosen.phone
            if not any(character.isdigit() for character in cleaned["phone"]):
                self.add_error("phone", "Enter the phone number for the window.")
        return cleaned


class VoteForm(_ShownWindowForm):
    """An approver's vote. The buttons of the template have the choice."""

    choice = forms.ChoiceField(
        choices=[("go", "Go"), ("no-go", "No-go")],
        error_messages={
            "required": "Choose go or no-go.",
            "invalid_choice": "Choose go or no-go.",
        },
    )
    comment = forms.CharField(max_length=1000, required=False, strip=True)
    accepted_risk = forms.CharField(
        label="Reason for going ahead anyway",
        max_length=1000,
        required=False,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    # The keys of the blocking rows on the page.
    blockers = forms.CharField(max_length=1000, required=False, widget=forms.HiddenInput)

    @classmethod
    def of(cls, data: Any = None) -> VoteForm:
        return cls(data, auto_id="vote_%s")

    @property
    def vote(self) -> Vote:
        cleaned = self.cleaned_data
        return Vote(
            cleaned["planned_at"],
            cleaned["round"],
            cleaned["choice"] == "go",
            cleaned["comment"],
            cleaned["accepted_risk"],
            cleaned["blockers"].split(),
        )


class DryRunForm(forms.Form):
    """Records for a dry run, and a comment on its result."""

    # Blank lines count: a problem names the line of the pasted text.
    records = forms.CharField(
        strip=False,
        max_length=MAX_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false"}),
        help_text=(
            "Lines of a zone file. They replace the current records of the same name and type. A"
            " name without a final dot is relative to every domain of the cutover."
        ),
    )
    comment = forms.CharField(
        max_length=1000,
        required=False,
        strip=True,
        label="Result",
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class ProposalForm(forms.Form):
    """Records of one domain, for a pre-flight check."""

    domain = forms.ModelChoiceField(
        Domain.objects.none(), to_field_name="public_id", empty_label=None
    )
    # Blank lines count: a problem names the line of the pasted text.
    records = forms.CharField(
        strip=False,
        max_length=MAX_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}),
        help_text=(
            "Lines of a zone file. They replace the current records of the same name and type."
        ),
        required=False,
    )
    policy = forms.CharField(
        label="MTA-STS policy file",
        strip=False,
        max_length=LONGEST_POLICY,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text="If you plan to publish one: the content of /.well-known/mta-sts.txt.",
        required=False,
    )

    def __init__(self, *args: Any, cutover: Cutover, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["domain"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = cutover.domains.all()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for name in ("records", "policy"):
            if cleaned.get(name, "").isspace():
                cleaned[name] = ""
        if not self.errors and not (cleaned.get("records") or cleaned.get("policy")):
            self.add_error("records", "Paste the records to publish, or a policy file.")
        return cleaned
