"""Finding anything by a few words: tenants, domains, steps, people, what was said, files, rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.urls import reverse

from onboarding.models import Comment, Contact, EvidenceFile, SheetRow, Task
from onboarding.sheets.signing import kind_of
from onboarding.sheets.values import printable
from onboarding.talk import readable_by
from tenants.models import Domain, Host, Membership, Tenant, User
from tenants.queries import tenants_for

SHORTEST = 2
LONGEST = 100
# Of each kind of thing; who wants more of one writes more of its name.
MOST = 8


@dataclass(frozen=True)
class Hit:
    """One thing found: what it is called, where it belongs, and its page."""

    title: str
    place: str
    address: str
    tenant_id: int


@dataclass(frozen=True)
class Group:
    """What was found of one kind; `has_more` says that there is more than is shown."""

    title: str
    hits: Sequence[Hit]
    has_more: bool


@dataclass(frozen=True)
class Quest:
    """Who looks for what, in which tenants; `here` is the one whose page they stand on."""

    user: User
    words: Sequence[str]
    tenants: QuerySet[Tenant]
    here: Tenant | None

    def among(self, rows: QuerySet[Any], way: str, *fields: str) -> QuerySet[Any]:
        """Of rows that lead to their tenant by `way`, those that hold every word somewhere in the
        fields or in the tenant's name; those of the tenant at hand first, closed tenants' last."""
        own = f"{way}__" if way else ""
        found = rows.filter(**{f"{way or 'pk'}__in": self.tenants.values("pk")})
        for word in self.words:
            holds = Q(**{f"{own}name__icontains": word})
            for field in fields:
                holds |= Q(**{f"{field}__icontains": word})
            found = found.filter(holds)
        # A tenant's name alone finds the tenant, and not everything that it has.
        if way:
            found = found.filter(_any(fields, self.words))
        near = [When(**{way or "pk": self.here.pk}, then=Value(0))] if self.here else []
        nearness = Case(
            *near,
            When(**{f"{own}archived_at__isnull": True}, then=Value(1)),
            default=Value(2),
            output_field=IntegerField(),
        )
        return found.order_by(nearness, f"{own}name", *fields[:1], "pk")


def _any(fields: Sequence[str], words: Sequence[str]) -> Q:
    holds = Q()
    for word in words:
        for field in fields:
            holds |= Q(**{f"{field}__icontains": word})
    return holds


def words_of(text: str) -> list[str]:
    """The words to look for; none where too little was written to look for anything."""
    words = printable(text[:LONGEST]).split()
    return words if len("".join(words)) >= SHORTEST else []


def find(user: User, text: str, *, here: Tenant | None = None) -> list[Group]:
    """What this person may see that holds all of the words, by kind; empty kinds are left out."""
    words = words_of(text)
    if not words:
        return []
    quest = Quest(user, words, tenants_for(user), here)
    return [group for group in (_group(title, of(quest)) for title, of in _KINDS) if group.hits]


def only_tenant(groups: Sequence[Group]) -> int | None:
    """The key of the one tenant meant, where the words named it or a domain of it, and nothing
    else was found."""
    if not groups or any(group.title not in _NAMES_OF_TENANTS for group in groups):
        return None
    met = {hit.tenant_id for group in groups for hit in group.hits}
    return met.pop() if len(met) == 1 else None


def _group(title: str, hits: Iterable[Hit]) -> Group:
    found = list(islice(hits, MOST + 1))
    return Group(title, found[:MOST], has_more=len(found) > MOST)


def _tenants(quest: Quest) -> Iterator[Hit]:
    for tenant in quest.among(Tenant.objects.all(), "", "name")[: MOST + 1]:
        place = "closed" if tenant.is_closed else ""
        yield Hit(tenant.name, place, _address("plan-show", tenant), tenant.pk)


def _domains(quest: Quest) -> Iterator[Hit]:
    rows = Domain.objects.select_related("tenant")
    for domain in quest.among(rows, "tenant", "name")[: MOST + 1]:
        address = _address("domains", domain.tenant)
        yield Hit(domain.name, domain.tenant.name, address, domain.tenant_id)


def _hosts(quest: Quest) -> Iterator[Hit]:
    rows = Host.objects.select_related("tenant")
    for host in quest.among(rows, "tenant", "name")[: MOST + 1]:
        yield Hit(host.name, host.tenant.name, _address("domains", host.tenant), host.tenant_id)


def _steps(quest: Quest) -> Iterator[Hit]:
    rows = Task.objects.filter(is_group=False, applies=True).select_related("plan__tenant", "phase")
    for task in quest.among(rows, "plan__tenant", "title")[: MOST + 1]:
        place = f"{task.plan.tenant} · {task.phase} · {task.get_state_display().lower()}"
        yield Hit(task.title, place, _step(task), task.plan.tenant_id)


def _people(quest: Quest) -> Iterator[Hit]:
    members = Membership.objects.select_related("tenant", "user")
    for member in quest.among(members, "tenant", "user__name", "user__email")[: MOST + 1]:
        place = f"{member.tenant} · {member.get_role_display().lower()}"
        yield Hit(member.user.name, place, _address("people", member.tenant), member.tenant_id)
    contacts = Contact.objects.select_related("tenant")
    for contact in quest.among(contacts, "tenant", "name", "email", "phone")[: MOST + 1]:
        place = f"{contact.tenant} · {contact.get_part_display().lower()}"
        yield Hit(contact.name, place, _address("people", contact.tenant), contact.tenant_id)


def _said(quest: Quest) -> Iterator[Hit]:
    rows = Comment.objects.filter(readable_by(quest.user), taken_back_at=None).select_related(
        "author", "plan__tenant", "task__phase"
    )
    for comment in quest.among(rows, "plan__tenant", "body")[: MOST + 1]:
        who = comment.author.name if comment.author else "Somebody who left"
        title = _around(comment.body, quest.words)
        place = f"{comment.plan.tenant} · {comment.task} · {who}"
        yield Hit(title, place, _step(comment.task, comment.plan.tenant), comment.plan.tenant_id)


def _files(quest: Quest) -> Iterator[Hit]:
    rows = EvidenceFile.objects.select_related("task__plan__tenant", "task__phase")
    for kept in quest.among(rows, "task__plan__tenant", "name")[: MOST + 1]:
        tenant = kept.task.plan.tenant
        yield Hit(kept.name, f"{tenant} · {kept.task}", _step(kept.task), tenant.pk)


def _rows(quest: Quest) -> Iterator[Hit]:
    """Of the tenant at hand alone: all tenants' sheets together hold millions of rows."""
    if quest.here is None:
        return
    rows = SheetRow.objects.filter(sheet__task__plan__tenant=quest.here)
    for word in quest.words:
        rows = rows.filter(text__contains=word.casefold())
    for row in rows.select_related("sheet__task")[: MOST + 1]:
        kind = kind_of(row.sheet)
        cells = [row.values.get(column.name, "") for column in kind.columns]
        cell = next((c for c in cells if quest.words[0].casefold() in c.casefold()), cells[0])
        sheet = _address("sheet-show", quest.here, row.sheet.public_id)
        query = urlencode({"q": cell[:LONGEST]})
        yield Hit(cell, f"{quest.here} · {kind.title}", f"{sheet}?{query}", quest.here.pk)


_NAMES_OF_TENANTS = ("Tenants", "Domains")
_KINDS: tuple[tuple[str, Callable[[Quest], Iterator[Hit]]], ...] = (
    ("Tenants", _tenants),
    ("Domains", _domains),
    ("Steps", _steps),
    ("People", _people),
    ("Hosts", _hosts),
    ("What was said", _said),
    ("Files", _files),
    ("Rows of sheets", _rows),
)


def _address(name: str, tenant: Tenant, *ids: str) -> str:
    return reverse(f"onboarding:{name}", args=[tenant.public_id, *ids])


def _step(task: Task, tenant: Tenant | None = None) -> str:
    plan = _address("plan-show", tenant or task.plan.tenant)
    return f"{plan}?phase={task.phase.key}#{task.key}"


def _around(text: str, words: Sequence[str]) -> str:
    """The part of what somebody wrote in which the first word stands, in one line."""
    line = " ".join(text.split())
    at = max(line.casefold().find(words[0].casefold()), 0)
    start = 0 if at < 40 else line.rfind(" ", 0, at - 20) + 1
    cut = line[start : start + 120]
    return f"{'… ' if start else ''}{cut}{' …' if start + 120 < len(line) else ''}"
