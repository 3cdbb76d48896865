"""The names of an erased tenant in saved views and in imports of files with tenants."""

from __future__ import annotations

import re
from typing import Any

from django.http import QueryDict

from onboarding.models import SavedView, TenantImport
from tenants.models import Domain, Tenant


def forget_in_saved_views(tenant: Tenant) -> None:
    """Delete the names of an erased tenant from all views. Call it before the tenant's deletion.

    A search text with the tenant's name or domain is removed, and so is one with a term that finds
    this tenant alone. A view with such a name gets another name.
    """
    names = _Names(tenant)
    for view in SavedView.objects.select_for_update(no_key=True).order_by("pk"):
        values = QueryDict(view.query, mutable=True)
        is_searched = any(names.are_in(text, in_parts=True) for text in values.getlist("q"))
        is_named = names.are_in(view.name, in_parts=False)
        if is_searched:
            del values["q"]
            view.query = values.urlencode()
        if is_named:
            view.name = f"Renamed view {view.public_id}"
        if is_searched or is_named:
            view.save(update_fields=["name", "query"])


def forget_in_imports(tenant: Tenant) -> None:
    """Delete the imports whose file names an erased tenant. Call it before the tenant's deletion.

    An import that creates its tenants ends. Its page explains the reason.
    """
    domains = Domain.all_objects.filter(tenant=tenant).values_list("name", flat=True)
    names = {name.lower() for name in (tenant.name, *domains)}
    for job in TenantImport.objects.select_for_update(no_key=True).order_by("pk"):
        companies = job.report.get("companies", ())
        if not any(_is_company_of(each, tenant, names) for each in companies):
            continue
        if job.status != TenantImport.Status.CREATING:
            job.delete()
            continue
        job.status, job.error = TenantImport.Status.FAILED, _ENDED
        job.name, job.content, job.report = "Ended import", b"", {}
        job.save(update_fields=["status", "error", "name", "content", "report"])


def _is_company_of(company: dict[str, Any], tenant: Tenant, names: set[str]) -> bool:
    if company.get("result", {}).get("tenant") == tenant.public_id:
        return True
    return any(text.strip().lower() in names for text in (company["name"], *company["domains"]))


_ENDED = "A tenant of this file was erased. Remove it from the file, and import the others again."


class _Names:
    """The name and the domains of a tenant, also the removed ones, in lower case."""

    def __init__(self, tenant: Tenant) -> None:
        domains = Domain.all_objects.filter(tenant=tenant).values_list("name", flat=True)
        self._tenant = tenant
        self._names = {name.lower() for name in (tenant.name, *domains)}
        self._words = {word for name in self._names for word in _words_of(name)}

    def are_in(self, text: str, *, in_parts: bool) -> bool:
        """Whether the text has one of the names, or a word that names this tenant alone.

        `in_parts`: as the search of the list, which finds a part of a word.
        """
        text = text.lower()
        if any(name in text for name in self._names):
            return True
        if in_parts:
            words = [w for w in text.split() if any(w in name for name in self._names)]
        else:
            words = [word for word in _words_of(text) if word in self._words]
        return any(not self._is_elsewhere(word) for word in words)

    def _is_elsewhere(self, word: str) -> bool:
        tenants = Tenant.objects.exclude(pk=self._tenant.pk)
        domains = Domain.all_objects.exclude(tenant=self._tenant)
        return any(rows.filter(name__icontains=word).exists() for rows in (tenants, domains))


def _words_of(text: str) -> list[str]:
    """The words of at least three letters or digits."""
    return [word for word in re.split(r"\W+", text) if len(word) > 2]
