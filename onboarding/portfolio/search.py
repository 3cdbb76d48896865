"""Search by terms: tenants, domains, hosts, tasks, people, comments, files and sheet rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.urls import reverse

from onboarding.collaboration.comments import readable_by
from onboarding.models import Comment, Contact, EvidenceFile, SheetRow, Task
from onboarding.requirements.cell_types import printable
from onboarding.requirements.definitions import FIXED_KINDS
from onboarding.requirements.sign_off import definition_of
from tenants.models import Domain, Host, Membership, Tenant, User
from tenants.proposals import proposed_label
from tenants.queries import tenants_for

MIN_LENGTH = 2
MAX_LENGTH = 100
# The limit of results of each kind. More terms narrow a search.
MAX_RESULTS = 8
# The number of tenants that are searched first.
FIRST_TENANTS = 50


@dataclass(frozen=True)
class SearchResult:
    """One result: its name, its tenant and its page."""

    title: str
    location: str
    url: str
    tenant_id: int


@dataclass(frozen=True)
class ResultGroup:
    """The results of one kind. `has_more`: more exist than are shown."""

    title: str
    results: Sequence[SearchResult]
    has_more: bool


@dataclass(frozen=True)
class SearchQuery:
    """The user, the terms and the searched tenants. `current_tenant`: that of the open page."""

    user: User
    terms: Sequence[str]
    tenants: QuerySet[Tenant]
    current_tenant: Tenant | None

    def matching(self, rows: QuerySet[Any], tenant_path: str, *fields: str) -> QuerySet[Any]:
        """The rows with every term in the fields or in the name of their tenant.

        `tenant_path` is the lookup from a row to its tenant. Rows of the current tenant come first,
        rows of closed tenants last.
        """
        own = f"{tenant_path}__" if tenant_path else ""
        found = rows.filter(**{f"{tenant_path or 'pk'}__in": self.tenants.values("pk")})
        for word in self.terms:
            matches = Q(**{f"{own}name__icontains": word})
            for field in fields:
                matches |= Q(**{f"{field}__icontains": word})
            found = found.filter(matches)
        # The name of a tenant alone finds the tenant, and not all its rows.
        if tenant_path:
            found = found.filter(_any(fields, self.terms))
        return found.order_by(self._nearness(tenant_path), f"{own}name", *fields[:1], "pk")

    def _nearness(self, tenant_path: str) -> Case:
        near = (
            [When(**{tenant_path or "pk": self.current_tenant.pk}, then=Value(0))]
            if self.current_tenant
            else []
        )
        is_open = f"{tenant_path}__closed_at__isnull" if tenant_path else "closed_at__isnull"
        return Case(
            *near,
            When(**{is_open: True}, then=Value(1)),
            default=Value(2),
            output_field=IntegerField(),
        )

    @cached_property
    def first_tenants(self) -> list[int]:
        """The tenants whose results come first, in the order of `matching`."""
        ordered = self.tenants.order_by(self._nearness(""), "name")
        return list(ordered.values_list("pk", flat=True)[:FIRST_TENANTS])

    def first(self, rows: QuerySet[Any], tenant_path: str, *fields: str) -> list[Any]:
        """The first results of `matching`, one more than are shown.

        A frequent term has enough results in the first tenants, and the others need not be read. A
        rare term has few results in all tenants, which an index finds.
        """
        of_first = rows.filter(**{f"{tenant_path}__in": self.first_tenants})
        found = list(self.matching(of_first, tenant_path, *fields)[: MAX_RESULTS + 1])
        if len(found) > MAX_RESULTS or len(self.first_tenants) < FIRST_TENANTS:
            return found
        # Only the ids: sorting whole rows takes several times as long.
        matching = self.matching(rows, tenant_path, *fields)
        ids = list(matching.values_list("pk", flat=True)[: MAX_RESULTS + 1])
        by_id = rows.in_bulk(ids)
        return [by_id[pk] for pk in ids if pk in by_id]


def _any(fields: Sequence[str], terms: Sequence[str]) -> Q:
    matches = Q()
    for word in terms:
        for field in fields:
            matches |= Q(**{f"{field}__icontains": word})
    return matches


def search_terms(text: str) -> list[str]:
    """The terms of the text; empty if the text is too short for a search."""
    terms = printable(text[:MAX_LENGTH]).split()
    return terms if len("".join(terms)) >= MIN_LENGTH else []


def find(user: User, text: str, *, current_tenant: Tenant | None = None) -> list[ResultGroup]:
    """The results that the person may see, by kind. Kinds without results are omitted."""
    terms = search_terms(text)
    if not terms:
        return []
    query = SearchQuery(user, terms, tenants_for(user), current_tenant)
    return [group for group in (_group(title, of(query)) for title, of in _KINDS) if group.results]


def single_tenant(groups: Sequence[ResultGroup]) -> int | None:
    """The primary key of a tenant if the terms name it or its domain, and nothing else matches."""
    if not groups or any(group.title not in _TENANT_GROUPS for group in groups):
        return None
    met = {result.tenant_id for group in groups for result in group.results}
    return met.pop() if len(met) == 1 else None


def _group(title: str, results: Iterable[SearchResult]) -> ResultGroup:
    found = list(islice(results, MAX_RESULTS + 1))
    return ResultGroup(title, found[:MAX_RESULTS], has_more=len(found) > MAX_RESULTS)


def _tenants(query: SearchQuery) -> Iterator[SearchResult]:
    for tenant in query.matching(Tenant.objects.all(), "", "name")[: MAX_RESULTS + 1]:
        location = "closed" if tenant.is_closed else ""
        yield SearchResult(tenant.name, location, _url("plan-show", tenant), tenant.pk)


def _domains(query: SearchQuery) -> Iterator[SearchResult]:
    rows = Domain.objects.select_related("tenant")
    for domain in query.first(rows, "tenant", "name"):
        url = _url("domains", domain.tenant)
        yield SearchResult(domain.name, domain.tenant.name, url, domain.tenant_id)


def _hosts(query: SearchQuery) -> Iterator[SearchResult]:
    rows = Host.objects.select_related("tenant", "proposed_by")
    for host in query.matching(rows, "tenant", "name")[: MAX_RESULTS + 1]:
        proposed = f" · {proposed_label(host.proposer)}" if host.is_proposed else ""
        location = f"{host.tenant.name}{proposed}"
        yield SearchResult(host.name, location, _url("domains", host.tenant), host.tenant_id)


def _tasks(query: SearchQuery) -> Iterator[SearchResult]:
    rows = Task.objects.filter(is_group=False, applies=True).select_related("plan__tenant", "phase")
    for task in query.first(rows, "plan__tenant", "title"):
        location = f"{task.plan.tenant} · {task.phase} · {task.get_status_display().lower()}"
        yield SearchResult(task.title, location, _task_url(task), task.plan.tenant_id)


def _people(query: SearchQuery) -> Iterator[SearchResult]:
    members = Membership.objects.select_related("tenant", "user")
    for member in query.matching(members, "tenant", "user__name", "user__email")[: MAX_RESULTS + 1]:
        location = f"{member.tenant} · {member.get_role_display().lower()}"
        yield SearchResult(
            member.user.name, location, _url("people", member.tenant), member.tenant_id
        )
    contacts = Contact.objects.select_related("tenant")
    for contact in query.matching(contacts, "tenant", "name", "email", "phone")[: MAX_RESULTS + 1]:
        location = f"{contact.tenant} · {contact.get_role_display().lower()}"
        yield SearchResult(
            contact.name, location, _url("people", contact.tenant), contact.tenant_id
        )


def _comments(query: SearchQuery) -> Iterator[SearchResult]:
    rows = Comment.objects.filter(readable_by(query.user), deleted_at=None).select_related(
        "author", "plan__tenant", "task__phase"
    )
    for comment in query.first(rows, "plan__tenant", "body"):
        author = comment.author.name if comment.author else "Former user"
        title = _excerpt(comment.body, query.terms)
        location = f"{comment.plan.tenant} · {comment.task} · {author}"
        yield SearchResult(
            title, location, _task_url(comment.task, comment.plan.tenant), comment.plan.tenant_id
        )


def _files(query: SearchQuery) -> Iterator[SearchResult]:
    rows = EvidenceFile.objects.select_related("task__plan__tenant", "task__phase")
    for kept in query.matching(rows, "task__plan__tenant", "name")[: MAX_RESULTS + 1]:
        tenant = kept.task.plan.tenant
        yield SearchResult(kept.name, f"{tenant} · {kept.task}", _task_url(kept.task), tenant.pk)


def _rows(query: SearchQuery) -> Iterator[SearchResult]:
    """Only of the current tenant: the sheets of all tenants have millions of rows."""
    if query.current_tenant is None:
        return
    rows = SheetRow.objects.filter(
        sheet__task__plan__tenant=query.current_tenant,
        sheet__task__plan__tenant__in=query.tenants.values("pk"),
    )
    # A prefilled answer is a copy: the search finds the fact in its own place.
    rows = rows.exclude(~Q(source=""), sheet__kind__in=FIXED_KINDS)
    for word in query.terms:
        rows = rows.filter(text__contains=word.casefold())
    for row in rows.select_related("sheet__task")[: MAX_RESULTS + 1]:
        kind = definition_of(row.sheet)
        cells = [row.values.get(column.name, "") for column in kind.columns]
        cell = next((c for c in cells if query.terms[0].casefold() in c.casefold()), cells[0])
        sheet = _url("requirements-sheet", query.current_tenant, row.sheet.public_id)
        parameters = urlencode({"q": cell[:MAX_LENGTH]})
        yield SearchResult(
            cell,
            f"{query.current_tenant} · {kind.title}",
            f"{sheet}?{parameters}",
            query.current_tenant.pk,
        )


_TENANT_GROUPS = ("Tenants", "Domains")
_KINDS: tuple[tuple[str, Callable[[SearchQuery], Iterator[SearchResult]]], ...] = (
    ("Tenants", _tenants),
    ("Domains", _domains),
    ("Steps", _tasks),
    ("People", _people),
    ("Hosts", _hosts),
    ("Comments", _comments),
    ("Files", _files),
    ("Requirements sheet rows", _rows),
)


def _url(name: str, tenant: Tenant, *ids: str) -> str:
    return reverse(f"onboarding:{name}", args=[tenant.public_id, *ids])


def _task_url(task: Task, tenant: Tenant | None = None) -> str:
    plan = _url("plan-show", tenant or task.plan.tenant)
    return f"{plan}?phase={task.phase.key}#{task.key}"


def _excerpt(text: str, terms: Sequence[str]) -> str:
    """The part of the text around the first found term, in one line."""
    line = " ".join(text.split())
    at = max(line.casefold().find(terms[0].casefold()), 0)
    start = 0 if at < 40 else line.rfind(" ", 0, at - 20) + 1
    cut = line[start : start + 120]
    return f"{'… ' if start else ''}{cut}{' …' if start + 120 < len(line) else ''}"
