"""Reads of sheets and rows, with the joins that their pages need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet

from checks.queries import DiscoveredSender, SpfSize, spf_senders, spf_sizes, spf_target, spf_trees
from onboarding.models import Plan, RequirementsSheet, SheetRow, TaskRole
from onboarding.requirements.columns import Column, ValidationContext
from onboarding.requirements.partner_checks import PartnerDisplay, partner_displays
from onboarding.requirements.sign_off import definition_of
from onboarding.requirements.validation import read_entry
from tenants.models import Tenant

ROWS_PER_PAGE = 50


def sheets_of(tenant: Tenant) -> QuerySet[RequirementsSheet]:
    return RequirementsSheet.objects.filter(task__plan__tenant=tenant).select_related(
        "task__phase", "task__plan__tenant", "mimecast_signed_by", "client_signed_by"
    )


def sheets_by_task(plan: Plan) -> dict[int, RequirementsSheet]:
    rows = RequirementsSheet.objects.filter(task__plan=plan)
    signed = rows.select_related("task", "mimecast_signed_by", "client_signed_by")
    return {sheet.task_id: sheet for sheet in signed}


class _KnownCountPaginator(Paginator[SheetRow]):
    """Pages of a whole sheet, with its stored number of rows."""

    known = 0

    @property
    def count(self) -> int:
        return self.known


def rows_page(sheet: RequirementsSheet, *, wanted: str, number: str) -> Page[SheetRow]:
    """One page of the rows, all of them or those that contain the wanted text."""
    rows = SheetRow.objects.filter(sheet=sheet).select_related("changed_by").order_by("position")
    if wanted:
        return Paginator(rows.filter(text__contains=wanted.casefold()), ROWS_PER_PAGE).get_page(
            number
        )
    pages = _KnownCountPaginator(rows, ROWS_PER_PAGE)
    questions = definition_of(sheet).questions
    pages.known = len(questions) or sheet.row_count
    return pages.get_page(number)


@dataclass(frozen=True)
class RowDisplay:
    """A row with its cells in the order of the columns, and a warning about its values."""

    row: SheetRow
    cells: list[tuple[Column, str]]
    warning: str = ""
    partner: PartnerDisplay | None = None


def display_of(
    sheet: RequirementsSheet,
    row: SheetRow,
    sizes: Mapping[str, SpfSize] | None = None,
    partners: Mapping[int, PartnerDisplay] | None = None,
) -> RowDisplay:
    """The row for a page.

    `sizes` has the sizes of SPF records, `partners` the tests of TLS partners. Without them they
    are read.
    """
    cells = [(c, row.values.get(c.name, "")) for c in definition_of(sheet).columns]
    known = known_spf_sizes(sheet) if sizes is None else sizes
    displays = partner_displays(sheet, [row]) if partners is None else partners
    return RowDisplay(row, cells, _bypass_warning(row, known), displays.get(row.pk))


def known_spf_sizes(sheet: RequirementsSheet) -> dict[str, SpfSize]:
    """The known sizes of SPF records, for the sheet of anti-spoofing exceptions."""
    if sheet.kind != TaskRole.GATHERS_SPOOFING_EXCEPTIONS.sheet_kind:
        return {}
    return spf_sizes(spf_trees(sheet.task.plan.tenant))


def _bypass_warning(row: SheetRow, sizes: Mapping[str, SpfSize]) -> str:
    """A sentence if the row rests on a record that the SPF bypass reads in part."""
    if row.values.get("method") != "SPF":
        return ""
    return bypass_warning(row.values["source"], sizes.get(row.values["source"]))


def bypass_warning(domain: str, size: SpfSize | None) -> str:
    """A sentence if the SPF bypass reads a part of the domain's record; empty if unknown."""
    if size is None or not size.exceeds_bypass:
        return ""
    return (
        f"The SPF record of {domain} has {size.terms} term{'' if size.terms == 1 else 's'} and "
        f"needs {size.lookups} DNS lookup{'' if size.lookups == 1 else 's'}. The SPF bypass "
        "ignores the terms after the tenth: enter the addresses of the service instead."
    )


@dataclass(frozen=True)
class SenderSuggestion:
    """A sender in a domain's SPF record, and the row that "Use this" adds.

    `row` is None if the term alone cannot be an exception.
    """

    sender: DiscoveredSender
    row: dict[str, str] | None

    @property
    def suggestion_id(self) -> str:
        return f"{self.sender.domain} {self.sender.term}"

    @property
    def warning(self) -> str:
        return bypass_warning(spf_target(self.sender.term), self.sender.record)


_BY_SPF = ("include:", "redirect=")
_BY_ADDRESS = ("ip4:", "ip6:")


def sender_suggestions(sheet: RequirementsSheet) -> list[SenderSuggestion]:
    """The senders in the SPF records of the tenant's domains that the sheet lacks."""
    if sheet.kind != TaskRole.GATHERS_SPOOFING_EXCEPTIONS.sheet_kind:
        return []
    tenant = sheet.task.plan.tenant
    found = [_suggested(sender) for sender in spf_senders(tenant, spf_trees(tenant))]
    keys = [key_in(sheet, each.row) for each in found if each.row is not None]
    stored = set(SheetRow.objects.filter(sheet=sheet, key__in=keys).values_list("key", flat=True))
    return [each for each in found if each.row is None or key_in(sheet, each.row) not in stored]


def key_in(sheet: RequirementsSheet, row: dict[str, str]) -> str:
    return read_entry(definition_of(sheet), row, ValidationContext()).key


def _suggested(sender: DiscoveredSender) -> SenderSuggestion:
    # Only the qualifier + means pass (RFC 7208, section 4.6.2). Others are listed, not offered.
    term = sender.term.removeprefix("+")
    row = {"service": sender.name or term, "domain": sender.domain}
    for prefix in (*_BY_SPF, *_BY_ADDRESS):
        if term.lower().startswith(prefix) and "%" not in term:
            method = "SPF" if prefix in _BY_SPF else "address"
            return SenderSuggestion(sender, row | {"method": method, "source": term[len(prefix) :]})
    return SenderSuggestion(sender, None)
