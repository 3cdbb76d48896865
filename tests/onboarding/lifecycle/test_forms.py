"""Invalid input: an error next to the field, and all values remain."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from onboarding.cutovers.forms import CutoverForm
from onboarding.lifecycle.forms.profile import (
    DomainFormSet,
    HostForm,
    HostFormSet,
    ProfileForm,
    RegionValuesForm,
)
from onboarding.lifecycle.forms.proposals import HostProposalForm
from onboarding.lifecycle.forms.recipients import refuse_foreign_recipients
from onboarding.plan_templates.registry import register_builtin_templates
from tenants.models import Host, Tenant, User
from tests.factories import MakeTenant, SignIn
from tests.markup import texts

CAUTION = "xn--i-7iq is outside IDNA 2008. Some programs reject its addresses."
PROFILE = {
    "name": "Northwind",
    "account_code": "",
    "region": "us",
    "platform": "microsoft_365",
    "directory_method": "entra_id",
    "authentication": "sso",
    "time_zone": "Europe/London",
}


def _rows(prefix: str, *rows: dict[str, str]) -> dict[str, str]:
    data = {f"{prefix}-TOTAL_FORMS": str(len(rows)), f"{prefix}-INITIAL_FORMS": "0"}
    for number, row in enumerate(rows):
        data |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return data


def _domains(*rows: dict[str, str]) -> Any:
    return DomainFormSet(_rows("domains", *rows), instance=Tenant(), prefix="domains")


@pytest.mark.parametrize(
    ("name", "caution"), [("xn--i-7iq.test", CAUTION), ("xn--mnchen-3ya.test", "")]
)
def test_profile_has_caution_about_emoji_domain(
    tenant: Tenant, consultant: User, signed_in: SignIn, name: str, caution: str
) -> None:
    tenant.consultant = consultant
    tenant.save(update_fields=["consultant"])
    tenant.domains.update(name=name)

    answer = signed_in(consultant).get(reverse("onboarding:profile-edit", args=[tenant.public_id]))

    html = answer.content.decode()
    assert 'id="id_domains-0-name"' in html
    assert texts(html, "#id_domains-0-name_helptext") == [caution] * bool(caution)


@pytest.mark.parametrize(
    "typed",
    [
        "north wind.test",
        "\U0001f4e7.test",
        "a" * 300,
        "192.0.2.1",
        "https://northwind.test/mail",
        "northwind",
        "*.northwind.test",
        "jo@northwind.test",
        "_dmarc.northwind.test",
        "co.uk",
    ],
)
@pytest.mark.django_db
def test_invalid_domain_shows_error_and_value(typed: str) -> None:
    formset = _domains({"name": typed, "role": "primary"})

    assert not formset.is_valid()
    [message] = formset.forms[0].errors["name"]
    assert message[-1] in ".?"
    assert formset.forms[0]["name"].value() == typed


@pytest.mark.django_db
def test_international_domain_becomes_a_labels() -> None:
    formset = _domains({"name": "MÜNCHEN.test.", "role": "primary"})

    assert formset.is_valid()
    assert formset.rows()[0].cleaned_data["name"] == "xn--mnchen-3ya.test"


@pytest.mark.django_db
def test_duplicate_domain_ignores_letter_case() -> None:
    formset = _domains(
        {"name": "northwind.test", "role": "primary"},
        {"name": "NorthWind.TEST", "role": "secondary"},
    )

    assert not formset.is_valid()
    assert formset.forms[0].errors == {}
    assert formset.forms[1].errors["name"] == ["northwind.test is in this list already."]


@pytest.mark.django_db
def test_second_primary_domain_is_rejected() -> None:
    formset = _domains(
        {"name": "one.test", "role": "primary"}, {"name": "two.test", "role": "primary"}
    )

    assert not formset.is_valid()
    assert list(formset.forms[1].errors) == ["role"]


@pytest.mark.django_db
def test_tenant_needs_a_domain() -> None:
    formset = _domains({"name": "", "role": "secondary"})

    assert not formset.is_valid()
    assert formset.non_form_errors() == ["Enter at least one domain."]


@pytest.mark.django_db
def test_empty_row_is_ignored() -> None:
    formset = _domains({"name": "one.test", "role": "primary"}, {"name": "", "role": "secondary"})

    assert formset.is_valid()
    assert [form.cleaned_data["name"] for form in formset.rows()] == ["one.test"]


@pytest.mark.parametrize("port", ["0", "65536", "smtp"])
@pytest.mark.django_db
def test_invalid_port_is_rejected(port: str) -> None:
    formset = HostFormSet(
        _rows("hosts", {"purpose": "delivery", "name": "mail.one.test", "port": port}),
        instance=Tenant(),
        prefix="hosts",
    )

    assert not formset.is_valid()
    assert list(formset.forms[0].errors) == ["port"]


@pytest.mark.django_db
def test_private_host_is_rejected_at_its_name() -> None:
    formset = HostFormSet(
        _rows("hosts", {"purpose": "delivery", "name": "10.1.2.3", "port": "25"}),
        instance=Tenant(),
        prefix="hosts",
    )

    assert not formset.is_valid()
    assert formset.forms[0].errors == {
        "name": [
            "10.1.2.3 is an address of a private network, which Mimecast and Gangway cannot reach."
            " Enter the public name or address of the host."
        ]
    }


def test_proposal_of_a_private_host_is_rejected() -> None:
    form = HostProposalForm({"name": "[fd00::5]", "port": "25"})

    assert not form.is_valid()
    assert str(form.errors["name"][0]).startswith("fd00::5 is an address of a private network")


@pytest.mark.parametrize(
    ("recipient", "errors"),
    [
        ("", {}),
        ("jo@One.Test", {}),
        ("jo@mail.one.test", {}),
        (
            "jo@other.test",
            {
                "recipient": [
                    "other.test is no domain of this tenant. Use an address that belongs to the"
                    " client, such as postmaster@one.test."
                ]
            },
        ),
        (
            "jo@notone.test",
            {
                "recipient": [
                    "notone.test is no domain of this tenant. Use an address that belongs to the"
                    " client, such as postmaster@one.test."
                ]
            },
        ),
    ],
)
@pytest.mark.django_db
def test_recipient_belongs_to_the_tenant(recipient: str, errors: dict[str, list[str]]) -> None:
    domains = _domains({"name": "one.test", "role": "primary"})
    row = {"purpose": "delivery", "name": "mail.hoster.test", "port": "25", "recipient": recipient}
    hosts: Any = HostFormSet(_rows("hosts", row), instance=Tenant(), prefix="hosts")

    is_valid = domains.is_valid() and hosts.is_valid() and refuse_foreign_recipients(domains, hosts)

    assert is_valid == (not errors)
    assert hosts.forms[0].errors == errors


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"region": "mars"}, "region"),
        ({"region": ""}, "region"),
        ({"region": "", "account_code": "XYZ1"}, "account_code"),
        ({"region": "eu", "account_code": "CUSA13A1"}, "region"),
        ({"region": "us", "account_code": "XXXX99"}, "account_code"),
        ({"platform": "carrier-pigeon"}, "platform"),
        ({"products": ["nothing-we-sell"]}, "products"),
        ({"name": ""}, "name"),
    ],
)
@pytest.mark.django_db
def test_invalid_profile_shows_error_at_field(changes: dict[str, Any], field: str) -> None:
    register_builtin_templates()

    form = ProfileForm(PROFILE | changes)

    assert not form.is_valid()
    assert list(form.errors) == [field]


@pytest.mark.django_db
def test_account_code_sets_region() -> None:
    form = ProfileForm(PROFILE | {"region": "", "account_code": "cde7A12"})

    assert form.is_valid()
    assert form.cleaned_data["region"] == "de"


@pytest.mark.django_db
def test_duplicate_tenant_name_is_rejected(tenant: Tenant) -> None:
    form = ProfileForm(PROFILE | {"name": tenant.name})

    assert not form.is_valid()
    assert form.errors["name"] == [
        "A tenant with this name exists already. See the list of tenants."
    ]


def test_region_values_fill_gaps(tenant: Tenant) -> None:
    tenant.region = "ca"
    typed = "ca-smtp-inbound-1.mimecast.com, ca-smtp-inbound-2.mimecast.com"

    form = RegionValuesForm({"mx": typed}, tenant=tenant)

    assert form.is_valid()
    assert form.cleaned_data["overrides"] == {"mx": typed.split(", ")}


def test_invalid_region_value_is_rejected(tenant: Tenant) -> None:
    form = RegionValuesForm({"mx": "not a/host", "spf_ip4": "10.0.0.0/33"}, tenant=tenant)

    assert not form.is_valid()
    assert sorted(form.errors) == ["mx", "spf_ip4"]


def test_low_confidence_of_region_value_is_shown(make_tenant: MakeTenant) -> None:
    form = RegionValuesForm(tenant=make_tenant(region="usb"))

    assert form.fields["delivery_ip4"].help_text == (
        "Region value, low confidence: 170.10.151.0/24, 170.10.153.0/24. Source: Received headers"
        " in the archives of public mailing lists, 2026-07. Check it with Mimecast: it proves no"
        " task."
    )
    assert form.fields["mx"].help_text.startswith("Region value, high confidence: usb-smtp-")


def test_values_of_a_list_are_shown_with_their_own_dates(make_tenant: MakeTenant) -> None:
    text = RegionValuesForm(tenant=make_tenant(region="de")).fields["delivery_ip4"].help_text

    low, _, medium = text.partition("Region value, medium confidence: ")
    assert low.startswith("Region value, low confidence: 62.140.7.102/32, 194.104.111.102/32. ")
    assert "2021. Check it with Mimecast" in low
    assert medium.startswith("194.104.109.119/32. ")
    assert medium.endswith("2026-05.")


def test_invalid_cutover_date_is_rejected(tenant: Tenant) -> None:
    form = CutoverForm({"planned_at": "soon"}, time_zone="UTC", offered=tenant.domains.all())

    assert not form.is_valid()
    assert form.errors["planned_at"] == ["Enter a date and time, such as 2026-12-03 19:00."]
    assert form.errors["domains"] == ["Choose at least one domain."]


@pytest.mark.parametrize(
    ("field", "typed"),
    [("ownership_label", "foo bar"), ("ownership_label", "a.b"), ("ownership_token", "0ed1 fe01")],
)
@pytest.mark.django_db
def test_invalid_ownership_code_is_rejected(field: str, typed: str) -> None:
    formset = _domains({"name": "one.test", "role": "primary", field: typed})

    assert not formset.is_valid()
    assert list(formset.forms[0].errors) == [field]


def test_concurrently_added_domain_is_rejected(tenant: Tenant) -> None:
    formset = DomainFormSet(
        _rows("domains", {"name": "Northwind.test", "role": "secondary"}),
        instance=tenant,
        prefix="domains",
    )

    assert not formset.is_valid()
    assert formset.forms[0].errors["name"] == ["northwind.test is in this list already."]


def test_conflicting_profile_change_is_rejected(tenant: Tenant) -> None:
    page = ProfileForm(instance=tenant)
    Tenant.objects.filter(pk=tenant.pk).update(platform="google_workspace")
    typed = QueryDict(mutable=True)
    typed.update(PROFILE | {"name": "Renamed", "expected": page["expected"].value()})

    form = ProfileForm(typed, instance=Tenant.objects.get(pk=tenant.pk))

    assert not form.is_valid()
    assert form["name"].value() == "Renamed"
    again = ProfileForm(form.data, instance=Tenant.objects.get(pk=tenant.pk))
    assert again.is_valid()


@pytest.mark.django_db
def test_selectors_are_normalised() -> None:
    typed = " MC2026._domainkey.one.test,mc2027=MIIB mc2026 "
    formset = _domains({"name": "one.test", "role": "primary", "dkim_selectors": typed})

    assert formset.is_valid()
    assert formset.rows()[0].cleaned_data["dkim_selectors"] == "mc2026 mc2027=MIIB"


@pytest.mark.django_db
def test_invalid_selector_is_rejected() -> None:
    formset = _domains({"name": "one.test", "role": "primary", "dkim_selectors": "mc2026 @"})

    assert not formset.is_valid()
    assert list(formset.forms[0].errors) == ["dkim_selectors"]


@pytest.mark.django_db
def test_consent_of_stored_host_can_change(tenant: Tenant) -> None:
    host = Host.objects.create(
        tenant=tenant, purpose="delivery", name="a.example", port=25, consented_at=timezone.now()
    )

    shown, withdrawn = HostForm(instance=host), HostForm({"name": "other.example"}, instance=host)

    assert shown.initial["consent"] is True
    assert withdrawn.is_valid()
    # Only consent and recipient of a stored host can change.
    assert withdrawn.cleaned_data == {
        "purpose": "delivery",
        "name": "a.example",
        "port": 25,
        "recipient": "",
        "consent": False,
    }


@pytest.mark.django_db
def test_profile_page_stores_consent(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    host = Host.objects.create(tenant=tenant, purpose="delivery", name="a.example", port=25)
    tenant.consultant = consultant
    tenant.save(update_fields=["consultant"])
    client = signed_in(consultant)
    address = reverse("onboarding:profile-edit", args=[tenant.public_id])
    page = client.get(address)
    filled: dict[str, Any] = {}
    for form in (page.context["profile"], page.context["domains"].management_form):
        filled |= {f.html_name: f.value() if f.value() is not None else "" for f in form}
    for formset in (page.context["domains"], page.context["hosts"]):
        filled |= {f.html_name: f.value() for f in formset.management_form}
        for form in formset.forms:
            filled |= {f.html_name: "" if f.value() in (None, False) else f.value() for f in form}

    answer = client.post(address, filled | {"hosts-0-consent": "on"})

    host.refresh_from_db()
    assert answer.status_code == 302
    assert host.consented_by == consultant
    assert "consent-given" in tenant.activity.values_list("action", flat=True)


@pytest.mark.parametrize(
    ("typed", "errors"),
    [
        ("2027-03-14T02:30", ["Clocks go forward over this hour that night. Choose another."]),
        ("2027-11-07T01:30", ["This hour occurs twice that night. Choose another."]),
        ("2027-03-14T03:30", []),
        ("2027-11-07T02:00", []),
        ("9999-12-31T23:30", ["Enter a day within ten years of today."]),
        ("0001-01-01T00:00", ["Enter a day within ten years of today."]),
    ],
)
def test_ambiguous_window_start_is_rejected(tenant: Tenant, typed: str, errors: list[str]) -> None:
    domains = list(tenant.domains.all())
    data = {"planned_at": typed, "domains": [domain.public_id for domain in domains]}

    form = CutoverForm(data, time_zone="America/New_York", offered=domains)

    assert form.errors.get("planned_at", []) == errors


@pytest.mark.parametrize(
    ("typed", "zone"),
    [
        ("New York", "America/New_York"),
        (" berlin ", "Europe/Berlin"),
        ("europe/london", "Europe/London"),
        ("UTC", "UTC"),
    ],
)
def test_time_zone_is_found_by_its_city(typed: str, zone: str) -> None:
    assert ProfileForm.base_fields["time_zone"].clean(typed) == zone


@pytest.mark.parametrize("typed", ["Atlantis", "Louisville", "../etc", "\x00"])
def test_unknown_time_zone_is_refused(typed: str) -> None:
    with pytest.raises(ValidationError, match="Choose a time zone from the list"):
        ProfileForm.base_fields["time_zone"].clean(typed)
