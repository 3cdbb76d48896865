"""Read a file with tenants: the rows of each company become one profile.

The forms of the page "New tenant" validate each profile, so that a file and a page follow the same
rules. Reading changes nothing in the database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.forms import BaseForm
from django.http import QueryDict

from onboarding.collaboration.forms import ContactForm
from onboarding.lifecycle.forms.profile import DomainFormSet, HostFormSet, ProfileForm
from onboarding.lifecycle.tenant_import.columns import (
    COMPANY,
    SWITCHES,
    stored_value,
    tenant_table,
)
from onboarding.lifecycle.tenants import ProfileEntry
from onboarding.models import Contact
from onboarding.requirements.cell_types import fold, printable
from onboarding.requirements.column_matching import Layout, read_layout, worksheet_chooser
from onboarding.requirements.columns import ValidationContext
from onboarding.requirements.parsers import read_table
from onboarding.requirements.tables import FileLine, UnreadableFile
from onboarding.requirements.validation import read_entry
from tenants.models import Domain, Host, Tenant, User

MAX_TENANTS = 500
_SEPARATORS = re.compile(r"[;,\s]+")
_NAME_SEPARATORS = re.compile(r"\s*[;,]\s*")  # the name of a product contains blanks
_PROFILE = (
    *("region", "account_code", "platform", "directory_method", "authentication"),
    *(*SWITCHES, "time_zone", "consultant"),
)
_CONTACT = ("role", "name", "email", "phone")
_PORTS = {Host.Purpose.DELIVERY.value: 25, Host.Purpose.DIRECTORY.value: 636}
_HOST_COLUMNS = {
    Host.Purpose.DELIVERY.value: "delivery_hosts",
    Host.Purpose.DIRECTORY.value: "directory_hosts",
}
_DEFAULTS = {"authentication": "sso", "time_zone": "UTC"}


@dataclass(frozen=True)
class RowProblem:
    """An error in one cell. `column` is its heading; empty for the whole row."""

    row: int
    column: str
    sentence: str


@dataclass(frozen=True)
class _Listed:
    """A domain or host of the file, with its row."""

    row: int
    values: dict[str, str]


@dataclass
class CompanyRows:
    """The rows of one company. `first` has the row that set each value of the profile."""

    name: str
    row: int
    profile: dict[str, str] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    products: list[str] = field(default_factory=list)
    domains: list[_Listed] = field(default_factory=list)
    hosts: list[_Listed] = field(default_factory=list)
    contacts: list[_Listed] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)


@dataclass(frozen=True)
class TenantEntry:
    """One tenant of the file, valid if it has no problems. Nothing of it is stored."""

    tenant: Tenant
    profile: ProfileEntry
    contacts: list[Contact]
    row: int
    problems: list[RowProblem]


@dataclass(frozen=True)
class TenantFile:
    companies: list[CompanyRows]
    # Rows without a company, with the sentence.
    problems: list[RowProblem]
    notes: list[str]


def read_file(content: bytes) -> TenantFile:
    """The companies of a file, in its order. Raises UnreadableFile."""
    table = tenant_table()
    layout = read_layout(table, read_table(content, choose=worksheet_chooser(table)))
    if not layout.has_headings:
        raise UnreadableFile(
            "No row has the headings of the columns. Begin with “Company name”, “Domains”,"
            " “Region”, “Mail platform” and “Directory”, or use the example."
        )
    companies: dict[str, CompanyRows] = {}
    problems: list[RowProblem] = []
    for line in layout.lines:
        _read_line(line, layout, companies, problems)
    if len(companies) > MAX_TENANTS:
        raise UnreadableFile(
            f"The file has {len(companies):,} companies. Import at most {MAX_TENANTS:,} at once."
        )
    return TenantFile(list(companies.values()), problems, list(layout.notes))


def _read_line(
    line: FileLine,
    layout: Layout,
    companies: dict[str, CompanyRows],
    problems: list[RowProblem],
) -> None:
    table = tenant_table()
    entry = read_entry(table, layout.typed(line), ValidationContext())
    found = [RowProblem(line.number, table.label(n), s) for n, s in entry.problems.items()]
    name = entry.values.get(COMPANY, "")
    if not name:
        problems += found
        return
    company = companies.setdefault(name.casefold(), CompanyRows(name, line.number))
    company.problems += found
    values = {key: stored_value(key, text) for key, text in entry.values.items() if text}
    for key in _PROFILE:
        _set_once(company, key, values.get(key, ""), line.number)
    company.products += _parts(values.get("products", ""), _NAME_SEPARATORS)
    for place, text in enumerate(_parts(values.get("domains", ""))):
        role = values.get("domain_role", "") if place == 0 else ""
        company.domains.append(_Listed(line.number, {"name": text, "role": role}))
    for purpose, column in _HOST_COLUMNS.items():
        for text in _parts(values.get(column, "")):
            company.hosts.append(_Listed(line.number, _host(text, purpose)))
    contact = {key: values.get(f"contact_{key}", "") for key in _CONTACT}
    if any(contact.values()):
        company.contacts.append(_Listed(line.number, contact))


def _set_once(company: CompanyRows, key: str, text: str, row: int) -> None:
    """Set a value of the profile. Another value in a later row is a problem."""
    if not text or company.profile.get(key) == text:
        return
    if key in company.profile:
        sentence = f"Row {company.first[key]} has another value for this company."
        company.problems.append(RowProblem(row, tenant_table().label(key), sentence))
        return
    company.profile[key], company.first[key] = text, row


def _parts(text: str, separators: re.Pattern[str] = _SEPARATORS) -> list[str]:
    return [part for part in separators.split(text) if part]


def _host(text: str, purpose: str) -> dict[str, str]:
    name, _, port = text.partition(":")
    return {"name": name, "port": port or str(_PORTS[purpose]), "purpose": purpose}


def entry_of(company: CompanyRows) -> TenantEntry:
    """Validate the company with the forms of the page. Queries names that exist."""
    tenant = Tenant()
    data = _form_data(company)
    profile = ProfileForm(data, instance=tenant)
    domains: Any = DomainFormSet(data, instance=tenant, prefix="domains")
    hosts: Any = HostFormSet(data, instance=tenant, prefix="hosts")
    problems = list(company.problems)
    # A cell that cannot be read is empty in the form, which then asks for its value.
    unread = {each.column for each in problems}
    problems += (
        each
        for each in _form_problems(profile, company.row, company.first)
        if each.column not in unread
    )
    problems += _formset_problems(domains, company.domains, company.row, {"": "domains"})
    problems += _formset_problems(hosts, company.hosts, company.row, _HOST_COLUMNS)
    contacts = [_contact(each, tenant, problems) for each in company.contacts]
    if problems:
        return TenantEntry(tenant, ProfileEntry(), [], company.row, problems)
    entry = ProfileEntry(domains.instances(), hosts.instances())
    return TenantEntry(tenant, entry, contacts, company.row, [])


def _form_data(company: CompanyRows) -> QueryDict:
    data = QueryDict(mutable=True)
    values = {**_DEFAULTS, **company.profile, "name": company.name, "expected": ""}
    for key, text in values.items():
        if key not in SWITCHES or text == "yes":
            data[key] = text
    data["consultant"] = _consultant_id(values.get("consultant", ""))
    data.setlist("products", _product_keys(company.products))
    domains = [each.values for each in company.domains]
    given = {values["role"] for values in domains}
    for place, row in enumerate(domains):
        is_first = place == 0 and Domain.Role.PRIMARY not in given
        role = row["role"] or (Domain.Role.PRIMARY if is_first else Domain.Role.SECONDARY)
        _add_row(data, "domains", place, {**row, "role": role})
    for place, row in enumerate(each.values for each in company.hosts):
        _add_row(data, "hosts", place, row)
    for prefix, rows in (("domains", domains), ("hosts", company.hosts)):
        data[f"{prefix}-TOTAL_FORMS"] = str(len(rows))
        data[f"{prefix}-INITIAL_FORMS"] = "0"
    return data


def _add_row(data: QueryDict, prefix: str, place: int, values: dict[str, str]) -> None:
    for key, text in values.items():
        data[f"{prefix}-{place}-{key}"] = text


def _consultant_id(email: str) -> str:
    """The key of the consultant; the typed text for an unknown one, which the form refuses."""
    if not email:
        return ""
    found = User.objects.filter(email__iexact=email).values_list("pk", flat=True).first()
    return str(found or "0")


def _product_keys(names: Iterable[str]) -> list[str]:
    """The keys of the products, by key or by label. The form refuses other text."""
    choices: Any = ProfileForm.base_fields["products"]
    known = {fold(word): key for key, label in choices.choices for word in (key, str(label))}
    return [known.get(fold(name), name) for name in names]


def _contact(listed: _Listed, tenant: Tenant, problems: list[RowProblem]) -> Contact:
    form = ContactForm(listed.values, instance=Contact(tenant=tenant))
    problems += _form_problems(form, listed.row, {}, prefix="contact_")
    return form.instance


def _formset_problems(
    formset: Any, rows: list[_Listed], row: int, columns: Mapping[str, str]
) -> Iterator[RowProblem]:
    """The errors of a list of domains or hosts. `columns` has the column of each purpose."""
    if formset.is_valid():
        return
    for form, listed in zip(formset.forms, rows, strict=False):
        label = tenant_table().label(columns[listed.values.get("purpose", "")])
        for sentences in form.errors.values():
            for sentence in sentences:
                text = f"{printable(listed.values['name'][:60])}: {sentence}"
                yield RowProblem(listed.row, label, text)
    for sentence in formset.non_form_errors():
        yield RowProblem(row, tenant_table().label(next(iter(columns.values()))), sentence)


def _form_problems(
    form: BaseForm, row: int, rows: Mapping[str, int], *, prefix: str = ""
) -> Iterator[RowProblem]:
    """The errors of a form, each with the row and the heading of its column."""
    table = tenant_table()
    known = {column.name for column in table.columns}
    for name, sentences in form.errors.items():
        column = COMPANY if name == "name" and not prefix else f"{prefix}{name}"
        label = table.label(column) if column in known else ""
        for sentence in sentences:
            yield RowProblem(rows.get(name, row), label, str(sentence))
