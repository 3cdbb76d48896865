"""Forms of the profile. Each error is a sentence next to its field. Entered values remain."""

from __future__ import annotations

import hashlib
import re
import zoneinfo
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import TextChoices
from django.forms.models import BaseInlineFormSet, inlineformset_factory
from django.http import QueryDict

from checks.engine.expected_values import DkimSelector
from checks.local_addresses import local_address_refusal
from onboarding.lifecycle.tenants import PROFILE_FIELDS
from onboarding.plan_templates.registry import newest_template, template_version_of
from onboarding.plans.field_services import confirmed_task_with
from tenants import domain_lifecycle
from tenants.errors import TenantError
from tenants.models import Domain, Host, Tenant, User
from tenants.names import labels_outside_idna, normalise_host, normalise_registered_domain
from tenants.proposals import open_proposals
from tenants.region_values import LABELS, LIST_FIELDS, UNCONFIRMED, refuse_implausible
from tenants.regions import load_regions, region_for_account_code

VALUE_LABELS = {
    "ownership_token": "Ownership code (TXT)",
    "ownership_label": "or CNAME host",
    "dkim_selectors": "DKIM selectors",
}
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def _entered_fields(model: type[Domain | Host]) -> tuple[str, ...]:
    return domain_lifecycle.IDENTITY_FIELDS[model] + domain_lifecycle.PROFILE_FIELDS[model]


def _product_choices() -> list[tuple[str, str]]:
    template = newest_template()
    return list(template_version_of(template).products.items()) if template is not None else []


def _region_choices() -> list[tuple[str, str]]:
    return [("", "From the account code"), *((r.id, r.name) for r in load_regions().values())]


def _time_zone_choices() -> list[tuple[str, str]]:
    """The zones, each with its city first, by which people search."""
    names = [name for name in sorted(zoneinfo.available_timezones()) if "/" in name]
    return [(name, _city_of(name)) for name in names] + [("UTC", "UTC")]


def _city_of(zone: str) -> str:
    *area, city = zone.replace("_", " ").split("/")
    return ", ".join([city, *reversed(area)])


class TimeZoneField(forms.ChoiceField):
    """A time zone. Its text field suggests zones, and accepts a city that only one zone has."""

    widget = forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off"})
    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid_choice": "Choose a time zone from the list, such as Europe/Berlin.",
    }

    def to_python(self, value: Any) -> str:
        """Return the name of the zone, or the text as it was typed."""
        text = str(super().to_python(value)).strip()
        wanted = text.casefold().replace(" ", "_")
        names = [name for name, _ in _time_zone_choices()]
        exact = [name for name in names if name.casefold() == wanted]
        cities = [name for name in names if name.casefold().rpartition("/")[2] == wanted]
        found = exact or cities
        return found[0] if len(found) == 1 else text


def _name_empty_choice(field: forms.Field, label: str) -> None:
    """Show a sentence instead of Django's dashes."""
    if isinstance(field, forms.ModelChoiceField):
        field.empty_label = label
    elif isinstance(field, forms.ChoiceField):
        field.choices = [(value, text if value else label) for value, text in field.widget.choices]


def _fingerprint(tenant: Tenant) -> str:
    """Identifies the stored profile, to detect changes of others. Empty for a new tenant."""
    if tenant._state.adding:
        return ""
    values = [str(getattr(tenant, name)) for name in ProfileForm.Meta.fields]
    return hashlib.sha256("\0".join(values).encode()).hexdigest()[:16]


class ProfileForm(forms.ModelForm[Tenant]):
    """The profile of a tenant. It decides which tasks apply in the plan."""

    expected = forms.CharField(required=False, widget=forms.HiddenInput)

    region = forms.ChoiceField(choices=_region_choices, required=False)
    products = forms.MultipleChoiceField(
        choices=_product_choices, required=False, widget=forms.CheckboxSelectMultiple
    )
    time_zone = TimeZoneField(choices=_time_zone_choices, initial="UTC")
    consultant = forms.ModelChoiceField(
        queryset=User.objects.filter(staff_role=User.StaffRole.CONSULTANT, is_active=True).order_by(
            "name"
        ),
        required=False,
    )

    class Meta:
        model = Tenant
        fields: ClassVar[list[str]] = list(PROFILE_FIELDS)
        labels: ClassVar[dict[str, str]] = {
            "name": "Company name",
            "journaling": "Journaling is set up as part of this implementation",
            "dkim_in_use": "Outbound mail is signed with DKIM today",
            "rfi_used": "A Request for Information (RFI) form is used",
        }
        error_messages: ClassVar[dict[str, dict[str, str]]] = {
            "name": {"unique": "A tenant with this name exists already. See the list of tenants."}
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _name_empty_choice(self.fields["platform"], "Choose a platform")
        _name_empty_choice(self.fields["directory_method"], "Choose a directory")
        _name_empty_choice(self.fields["consultant"], "No consultant")
        self.stored_fingerprint = _fingerprint(self.instance)
        self.fields["expected"].initial = self.stored_fingerprint

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).strip()
        others = Tenant.objects.filter(name__iexact=name).exclude(pk=self.instance.pk)
        if others.exists():
            raise ValidationError(
                "A tenant with this name exists already. See the list of tenants."
            )
        return name

    def clean_account_code(self) -> str:
        """Return the code. ValidationError if it is cleared while a confirmed task requires it."""
        code = str(self.cleaned_data["account_code"])
        is_cleared = not code and bool(self.initial.get("account_code"))
        task = confirmed_task_with(self.instance, "account_code") if is_cleared else None
        if task is not None:
            raise ValidationError(
                f"The confirmation of “{task.title}” needs the account code. Withdraw the"
                " confirmation before you clear it."
            )
        return code

    def clean_expected(self) -> str:
        """Two people at once: the second must not overwrite the changes of the first unread."""
        expected = str(self.cleaned_data["expected"])
        if expected != self.stored_fingerprint:
            # The page shows the entered values with the newest fingerprint, so saving again is
            # deliberate.
            typed = cast(QueryDict, self.data).copy()
            typed[self.add_prefix("expected")] = self.stored_fingerprint
            self.data = typed
            self.add_error(
                None,
                "Another person changed this profile after you opened it. Your values are below, "
                "but not saved. Compare them with the current profile, then save again.",
            )
        return expected

    def clean(self) -> dict[str, Any]:
        """Derive the region from the account code. A chosen region must agree with it."""
        cleaned = super().clean() or {}
        code, chosen = cleaned.get("account_code", ""), cleaned.get("region", "")
        if code:
            try:
                region = region_for_account_code(code)
            except TenantError as error:
                self.add_error("account_code", str(error))
                return cleaned
            if chosen and chosen != region.id:
                self.add_error(
                    "region",
                    f"The account code belongs to {region.name}. Choose that region, or correct "
                    "the code.",
                )
            cleaned["region"] = region.id
        elif not chosen and "region" not in self.errors:
            self.add_error("region", "Choose the region, or enter the account code that names it.")
        return cleaned


def _caution_about(domain: Domain) -> str:
    labels = ", ".join(labels_outside_idna(domain.name))
    return f"{labels} is outside IDNA 2008. Some programs reject its addresses." if labels else ""


class ConsoleValues:
    """Reads the values of a domain that Mimecast's console shows, in every form that has them."""

    cleaned_data: dict[str, Any]

    def clean_ownership_token(self) -> str:
        token = str(self.cleaned_data["ownership_token"]).strip().strip('"')
        if any(character.isspace() for character in token):
            raise ValidationError(
                "The code contains no spaces. Copy it from the console without spaces."
            )
        return token

    def clean_ownership_label(self) -> str:
        label = str(self.cleaned_data["ownership_label"]).strip().lower()
        if label and not _LABEL.fullmatch(label):
            raise ValidationError("A CNAME host is one label of letters, digits and hyphens.")
        return label

    def clean_dkim_selectors(self) -> str:
        typed = self.cleaned_data["dkim_selectors"].replace(",", " ").split()
        selectors = [DkimSelector.read(word) for word in typed]
        for selector in selectors:
            if not selector.is_well_formed:
                raise ValidationError(
                    f"“{selector.name}” is not a DKIM selector. Copy it from the signing "
                    "definition in Mimecast’s console, such as mimecast20261101."
                )
        return " ".join(dict.fromkeys(map(str, selectors)))


class DomainForm(ConsoleValues, forms.ModelForm[Domain]):
    # Longer than the model allows: the normalisation explains what is wrong with the name.
    name = forms.CharField(label="Domain", max_length=2000, strip=True)

    class Meta:
        model = Domain
        fields: ClassVar[list[str]] = list(_entered_fields(Domain))
        labels: ClassVar[dict[str, str]] = {
            **VALUE_LABELS,
            "original_mx_ttl_seconds": "Original MX TTL in seconds, if longer than 24 hours",
        }
        help_texts: ClassVar[dict[str, str]] = {
            "original_mx_ttl_seconds": "Gangway assumes 24 hours if you leave it empty.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A renamed domain would inherit the history of another name. Remove it and add a new one.
        self.fields["name"].disabled = self.instance.pk is not None
        if self.instance.pk is not None:
            self.initial["name"] = str(self.instance)
            self.fields["name"].help_text = _caution_about(self.instance)

    @property
    def proposals(self) -> list[str]:
        """A sentence for each value that a client proposed and no consultant has decided on."""
        return [
            f"{each.title[:1].upper()}{each.title[1:]} {each.proposal.text}: {each.proposal.label}."
            for each in open_proposals([self.instance], ())
        ]

    def clean_name(self) -> str:
        try:
            return normalise_registered_domain(self.cleaned_data["name"])
        except TenantError as error:
            raise ValidationError(str(error)) from error


class HostNames:
    """Reads the name of a host, in every form that has one."""

    cleaned_data: dict[str, Any]

    def clean_name(self) -> str:
        try:
            name = normalise_host(self.cleaned_data["name"])
        except TenantError as error:
            raise ValidationError(str(error)) from error
        refusal = local_address_refusal(name)
        if refusal:
            raise ValidationError(refusal)
        return name


class HostForm(HostNames, forms.ModelForm[Host]):
    name = forms.CharField(label="Host", max_length=2000, strip=True)
    port = forms.IntegerField(
        min_value=1,
        max_value=65535,
        error_messages={
            "min_value": "A port is a number from 1 to 65535.",
            "max_value": "A port is a number from 1 to 65535.",
            "invalid": "A port is a number from 1 to 65535, usually 25 or 636.",
        },
    )
    consent = forms.BooleanField(
        label="The client agrees that Gangway connects to it",
        required=False,
        help_text="Required unless the host is below a domain with verified ownership.",
    )

    class Meta:
        model = Host
        fields: ClassVar[list[str]] = list(_entered_fields(Host))
        labels: ClassVar[dict[str, str]] = {"recipient": "Test recipient"}
        help_texts: ClassVar[dict[str, str]] = {
            "recipient": "Optional, for delivery routes: Gangway checks that the host accepts this"
            " address, and sends no message.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            for name, field in self.fields.items():
                field.disabled = name not in ("consent", "recipient")
            self.initial["consent"] = self.instance.consented_at is not None

    def clean_name(self) -> str:
        # The name of a stored host cannot change here.
        return super().clean_name() if self.instance._state.adding else self.instance.name

    def clean_recipient(self) -> str:
        typed: str = self.cleaned_data["recipient"]
        if not typed.isascii():
            raise ValidationError(
                "Use an address with ASCII characters only. Port 25 accepts no others."
            )
        return typed


class _DistinctRows(BaseInlineFormSet[Any, Tenant, Any]):
    """Rows that must differ. The later of two equal rows gets an error next to its name."""

    def rows(self) -> list[forms.ModelForm[Any]]:
        return (
            [
                form
                for form in self.forms
                if form.cleaned_data.get("name") and not form.cleaned_data.get("DELETE")
            ]
            if all(hasattr(form, "cleaned_data") for form in self.forms)
            else []
        )

    def instances(self) -> list[Any]:
        """The domains or hosts of the rows with the entered values. Services save them."""
        return [form.instance for form in self.rows()]

    def removed(self) -> list[Any]:
        """The stored domains or hosts whose rows were removed on the page."""
        return [form.instance for form in self.deleted_forms if form.instance.pk is not None]

    def key(self, form: forms.ModelForm[Any]) -> object:
        raise NotImplementedError

    def key_of(self, row: Any) -> object:
        raise NotImplementedError

    def clean(self) -> None:
        """Compare each row with the other rows, and with rows that another person added."""
        if any("id" in form.errors for form in self.forms):
            raise ValidationError(
                "Another person removed one of these rows after you opened the page. "
                "Reload the page to see the current rows."
            )
        shown = {form.instance.pk for form in self.forms}
        added = (
            cast(Any, self.model)
            ._default_manager.filter(tenant=self.instance.pk)
            .exclude(pk__in=[pk for pk in shown if pk is not None])
        )
        keys = {self.key_of(row) for row in added} if self.instance.pk else set()
        for form in self.rows():
            key = self.key(form)
            if key in keys:
                form.add_error("name", f"{form.cleaned_data['name']} is in this list already.")
            keys.add(key)

    def validate_unique(self) -> None:
        """Nothing: `clean` adds the error next to the field."""


class _Domains(_DistinctRows):
    def key(self, form: forms.ModelForm[Any]) -> object:
        return form.cleaned_data["name"]

    def key_of(self, row: Any) -> object:
        return row.name

    def clean(self) -> None:
        super().clean()
        rows = self.rows()
        primaries = [f for f in rows if f.cleaned_data.get("role") == Domain.Role.PRIMARY]
        for form in primaries[1:]:
            form.add_error(
                "role", "A tenant has one primary domain. Choose another role for this one."
            )
        if not rows and not any(form.errors for form in self.forms):
            raise ValidationError("Enter at least one domain.")


class _Hosts(_DistinctRows):
    def key(self, form: forms.ModelForm[Any]) -> object:
        cleaned = form.cleaned_data
        return (cleaned.get("purpose"), cleaned["name"], cleaned.get("port"))

    def key_of(self, row: Any) -> object:
        return (row.purpose, row.name, row.port)


DomainFormSet = inlineformset_factory(
    Tenant, Domain, form=DomainForm, formset=_Domains, extra=1, can_delete=True
)


def domain_formset(tenant: Tenant, new_rows: Sequence[Mapping[str, Any]]) -> Any:
    """The unbound formset of the page, with these values in its new rows."""
    formset = DomainFormSet(instance=tenant, prefix="domains", initial=list(new_rows))
    formset.extra = len(new_rows) + 1
    return formset


HostFormSet = inlineformset_factory(
    Tenant, Host, form=HostForm, formset=_Hosts, extra=1, can_delete=True
)


def host_formset(tenant: Tenant, new_rows: Sequence[Mapping[str, Any]]) -> Any:
    """The unbound formset of the page, with these values in its new rows."""
    formset = HostFormSet(instance=tenant, prefix="hosts", initial=list(new_rows))
    formset.extra = len(new_rows) + 1
    return formset


# The profile decides the region. A tenant can override these values of it.
OVERRIDABLE = {
    name: label for name, label in LABELS.items() if name not in ("account_code_prefix", "timezone")
}


def _region_sentence(confidence: str, source: str, as_of: str, values: Sequence[str]) -> str:
    """The values of the region with one confidence, source and date."""
    advice = " Check it with Mimecast: it proves no task." if confidence == "low" else ""
    known = ", ".join(values)
    return f"Region value, {confidence} confidence: {known}. Source: {source}, {as_of}.{advice}"


class RegionValueDecision(TextChoices):
    """The decision on a value that was entered for another region."""

    CONFIRM = "confirm", "Use it for this region"
    DROP = "drop", "Discard it"


def decision_field(name: str) -> str:
    return f"decide_{name}"


class RegionValuesForm(forms.Form):
    """Region values of one tenant. An empty field uses the value of the region.

    A value that was entered for another region has no effect until it is confirmed here.
    """

    def __init__(self, *args: Any, tenant: Tenant, **kwargs: Any) -> None:
        self.tenant = tenant
        self.region = load_regions()[tenant.region]
        initial = {
            name: "\n".join(value) if isinstance(value, list) else value
            for name, value in tenant.region_overrides.items()
            if name != UNCONFIRMED
        }
        kwargs["initial"] = initial | {"expected_region": tenant.region}
        super().__init__(*args, **kwargs)
        self.fields["expected_region"] = forms.CharField(required=False, widget=forms.HiddenInput)
        for name, label in OVERRIDABLE.items():
            widget = forms.Textarea(attrs={"rows": 2}) if name in LIST_FIELDS else forms.TextInput()
            self.fields[name] = forms.CharField(
                label=label, required=False, widget=widget, help_text=self._region_value(name)
            )
            if name in tenant.unconfirmed_region_values:
                self.fields[decision_field(name)] = self._decision(name)

    def _decision(self, name: str) -> forms.ChoiceField:
        value = self.tenant.unconfirmed_region_values[name]
        text = ", ".join(value) if isinstance(value, list) else value
        return forms.ChoiceField(
            label=f"{OVERRIDABLE[name].capitalize()} entered for the former region: {text}",
            choices=RegionValueDecision.choices,
            required=False,
            widget=forms.RadioSelect,
            help_text="Not in use until you confirm it. A value in the field above replaces it.",
        )

    def _region_value(self, name: str) -> str:
        value = getattr(self.region, name)
        values = value if isinstance(value, tuple) else (value,)
        groups: dict[tuple[str, str, str], list[str]] = {}
        for each in filter(None, values):
            fact = self.region.facts[name].of(each)
            groups.setdefault((fact.confidence, fact.source, fact.as_of), []).append(each)
        if not groups:
            return "No region value. Enter it if you know it."
        return " ".join(_region_sentence(*group, known) for group, known in groups.items())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("expected_region") not in ("", self.tenant.region):
            self.add_error(
                None,
                f"The region is {self.region.name} now. Nothing was saved: your values may belong"
                " to the former region. Open the profile again.",
            )
        overrides: dict[str, object] = {}
        for name in OVERRIDABLE:
            value = self._entered(name, cleaned)
            if not value:
                continue
            try:
                self.region.with_overrides({name: value})
                refuse_implausible(name, value)
            except TenantError as error:
                self.add_error(name, str(error))
            else:
                overrides[name] = value
        undecided = {
            name: value
            for name, value in self.tenant.unconfirmed_region_values.items()
            if name not in overrides and not cleaned.get(decision_field(name))
        }
        cleaned["overrides"] = overrides | ({UNCONFIRMED: undecided} if undecided else {})
        return cleaned

    def _entered(self, name: str, cleaned: dict[str, Any]) -> object:
        """The typed value, or the confirmed one of another region."""
        typed = cleaned.get(name, "").strip()
        if not typed and cleaned.get(decision_field(name)) == RegionValueDecision.CONFIRM:
            return self.tenant.unconfirmed_region_values[name]
        return typed.replace(",", " ").split() if name in LIST_FIELDS else typed
