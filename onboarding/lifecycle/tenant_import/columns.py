"""The columns of a file with tenants. Pure, except that regions and products are data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from django.db.models import TextChoices

from onboarding.models import Contact
from onboarding.requirements.columns import (
    Check,
    Column,
    ListHeading,
    Problems,
    Question,
    ValidationContext,
    Values,
    choice,
)
from tenants.models import Authentication, DirectoryMethod, Domain, Platform
from tenants.regions import load_regions

COMPANY = "company"
CHOICES: dict[str, type[TextChoices]] = {
    "domain_role": Domain.Role,
    "platform": Platform,
    "directory_method": DirectoryMethod,
    "authentication": Authentication,
    "contact_role": Contact.Role,
}
SWITCHES = ("journaling", "dkim_in_use", "rfi_used")
_YES_NO = {"yes": ("y", "true", "1", "x"), "no": ("n", "false", "0")}


def _no_problems(row: Values, validation_context: ValidationContext) -> Problems:
    return {}


@dataclass(frozen=True)
class TenantTable:
    """The table of the file, in the form that the readers of files expect."""

    columns: tuple[Column, ...]
    questions: tuple[Question, ...] = ()
    list_headings: tuple[ListHeading, ...] = ()
    is_fixed: bool = False
    check: Check = _no_problems

    def label(self, name: str) -> str:
        return next(column.label for column in self.columns if column.name == name)


@cache
def tenant_table() -> TenantTable:
    regions = {region.name: (region.id,) for region in load_regions().values()}
    return TenantTable(
        (
            Column(
                COMPANY,
                "Company name",
                aliases=("Company", "Client", "Tenant", "Name", "Customer", "Organisation"),
                is_key=True,
            ),
            _optional(
                "domains",
                "Domains",
                "Domain",
                "Domain name",
                "Primary domain",
            ),
            _choice("domain_role", "Domain role"),
            choice("region", "Region", regions, is_required=False),
            _optional("account_code", "Account code", "Mimecast account code"),
            _choice("platform", "Mail platform", "Platform"),
            _choice("directory_method", "Directory", "Directory method"),
            _choice("authentication", "Sign-in", "Authentication"),
            _optional("products", "Products", "Packages"),
            *(
                choice(name, label, _YES_NO, is_required=False)
                for name, label in zip(
                    SWITCHES, ("Journaling", "DKIM in use", "RFI form"), strict=True
                )
            ),
            _optional("time_zone", "Time zone", "Timezone"),
            _optional("consultant", "Consultant", "Consultant’s e-mail"),
            _optional("delivery_hosts", "Delivery hosts", "Delivery host"),
            _optional("directory_hosts", "Directory hosts", "Directory host"),
            _choice("contact_role", "Contact role"),
            _optional("contact_name", "Contact name", "Contact"),
            _optional("contact_email", "Contact e-mail", "Contact email"),
            _optional("contact_phone", "Contact phone", "Contact telephone"),
        )
    )


def _optional(name: str, label: str, *aliases: str) -> Column:
    return Column(name, label, is_required=False, aliases=aliases)


def _choice(name: str, label: str, *aliases: str) -> Column:
    """A column with the labels of the choices. Their stored values are synonyms."""
    meanings: Iterable[tuple[str, str]] = CHOICES[name].choices
    synonyms = {text: (value,) for value, text in meanings}
    return choice(name, label, synonyms, is_required=False, aliases=aliases)


def stored_value(name: str, text: str) -> str:
    """The stored value for a valid cell: the value of a label, and other text unchanged."""
    if name == "region":
        by_label = {region.name: region.id for region in load_regions().values()}
    else:
        by_label = (
            {label: value for value, label in CHOICES[name].choices} if name in CHOICES else {}
        )
    return str(by_label.get(text, text))
