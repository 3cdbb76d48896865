"""Reads of sheets, with what their pages need already joined."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet

from checks.queries import SenderFound, senders_found
from onboarding.models import Plan, Sheet, SheetRow
from onboarding.sheets.columns import Column, Surroundings
from onboarding.sheets.entries import read_entry
from onboarding.sheets.signing import kind_of
from tenants.models import Tenant

ROWS_A_PAGE = 50


def sheets_of(tenant: Tenant) -> QuerySet[Sheet]:
    return Sheet.objects.filter(task__plan__tenant=tenant).select_related(
        "task__phase", "task__plan__tenant", "mimecast_signed_by", "client_signed_by"
    )


def sheets_by_task(plan: Plan) -> dict[int, Sheet]:
    rows = Sheet.objects.filter(task__plan=plan)
    signed = rows.select_related("task", "mimecast_signed_by", "client_signed_by")
    return {sheet.task_id: sheet for sheet in signed}


class _Counted(Paginator[SheetRow]):
    """Pages of a whole sheet, whose number of rows is on record."""

    known = 0

    @property
    def count(self) -> int:
        return self.known


def rows_page(sheet: Sheet, *, wanted: str, number: str) -> Page[SheetRow]:
    """One page of rows, of all or of those that hold the wanted text."""
    rows = SheetRow.objects.filter(sheet=sheet).select_related("changed_by").order_by("position")
    if wanted:
        return Paginator(rows.filter(text__contains=wanted.casefold()), ROWS_A_PAGE).get_page(
            number
        )
    pages = _Counted(rows, ROWS_A_PAGE)
    questions = kind_of(sheet).questions
    pages.known = len(questions) or sheet.rows_total
    return pages.get_page(number)


@dataclass(frozen=True)
class Line:
    """A row as a page shows it."""

    row: SheetRow
    cells: list[tuple[Column, str]]


def line_of(sheet: Sheet, row: SheetRow) -> Line:
    return Line(row, [(c, row.values.get(c.name, "")) for c in kind_of(sheet).columns])


@dataclass(frozen=True)
class Suggestion:
    """A sender in a domain's SPF record, and the row that "Use this" would make of it; without
    one, its term cannot stand in an exception by itself."""

    sender: SenderFound
    row: dict[str, str] | None

    @property
    def mark(self) -> str:
        return f"{self.sender.domain} {self.sender.term}"


_BY_SPF = ("include:", "redirect=")
_BY_ADDRESS = ("ip4:", "ip6:")


def suggestions_for(sheet: Sheet) -> list[Suggestion]:
    """What the SPF records of the tenant's domains suggest and the sheet does not have yet."""
    if sheet.kind != "spoofing-exceptions":
        return []
    found = [_suggested(sender) for sender in senders_found(sheet.task.plan.tenant)]
    keys = [key_in(sheet, each.row) for each in found if each.row is not None]
    there = set(SheetRow.objects.filter(sheet=sheet, key__in=keys).values_list("key", flat=True))
    return [each for each in found if each.row is None or key_in(sheet, each.row) not in there]


def key_in(sheet: Sheet, row: dict[str, str]) -> str:
    return read_entry(kind_of(sheet), row, Surroundings()).key


def _suggested(sender: SenderFound) -> Suggestion:
    # Only a plain term says yes (RFC 7208, section 4.6.2); others are told of, not offered.
    term = sender.term.removeprefix("+")
    row = {"service": sender.name or term, "domain": sender.domain}
    for prefix in (*_BY_SPF, *_BY_ADDRESS):
        if term.lower().startswith(prefix) and "%" not in term:
            method = "SPF" if prefix in _BY_SPF else "address"
            return Suggestion(sender, row | {"method": method, "source": term[len(prefix) :]})
    return Suggestion(sender, None)
