"""The steps of an import of tenants: preview first, then one tenant after the other.

1. `create_import` stores the content.
2. `read_import` stores the preview: each company with its values and its errors.
3. `confirm_import` records a person's confirmation.
4. `run_import` creates each company without errors in a transaction of its own, and stores the
   result with it. A worker that repeats it creates no tenant twice.

A worker runs 2 and 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction

from onboarding.collaboration import contacts
from onboarding.collaboration.file_types import safe_name
from onboarding.errors import OnboardingError
from onboarding.lifecycle import domain_scans, tenants
from onboarding.lifecycle.tenant_import.reading import (
    CompanyRows,
    RowProblem,
    TenantEntry,
    entry_of,
    read_file,
)
from onboarding.models import TenantImport
from onboarding.requirements import import_stages
from onboarding.requirements.cell_types import printable
from onboarding.requirements.tables import UnreadableFile
from tenants import database_time
from tenants.models import User

Status = TenantImport.Status
_MAX_PROBLEMS = 200
NOT_DISCARDED = "The import creates its tenants now. It was not discarded."
_TOO_MANY_ATTEMPTS = (
    "The import was started three times and stopped each time. The page lists the tenants that were"
    " created. Import the others in smaller files."
)


def create_import(*, name: str, content: bytes, by: User) -> TenantImport:
    """Store the content for a preview. Deletes the person's earlier previews."""
    if not content.strip():
        raise OnboardingError("The file is empty. Nothing was imported.")
    with transaction.atomic():
        earlier = TenantImport.objects.filter(created_by=by)
        earlier.filter(status__in=(Status.READY, Status.FAILED)).delete()
        return TenantImport.objects.create(
            name=safe_name(name), content=content, created_by=by, progress_at=database_time.now()
        )


def start_attempt(job: TenantImport) -> bool:
    """Count an attempt of a worker. Fails the import and returns False after the last one."""
    return import_stages.start_attempt(job, refusal=_TOO_MANY_ATTEMPTS)


def read_import(job: TenantImport) -> None:
    """Read the content and store the preview, or the reason why it cannot be read."""
    try:
        file = read_file(bytes(job.content))
    except UnreadableFile as error:
        import_stages.update(job, status=Status.FAILED, error=printable(str(error)[:500]))
        return
    entries = [entry_of(company) for company in file.companies]
    companies = [_preview(*pair) for pair in zip(file.companies, entries, strict=True)]
    problems = [*file.problems, *_repeated_domains(entries)]
    valid = sum(not each["problems"] for each in companies)
    report = {
        "notes": file.notes,
        "companies": companies,
        "problems": [asdict(each) for each in problems[:_MAX_PROBLEMS]],
        "valid": valid,
        "invalid": len(companies) - valid,
    }
    import_stages.update(job, status=Status.READY, report=report)


def _preview(company: CompanyRows, entry: TenantEntry) -> dict[str, Any]:
    return {
        "name": printable(company.name),
        "row": company.row,
        "domains": [printable(each.values["name"]) for each in company.domains],
        "hosts": [printable(each.values["name"]) for each in company.hosts],
        "contacts": len(company.contacts),
        "problems": [asdict(each) for each in entry.problems[:_MAX_PROBLEMS]],
    }


def _repeated_domains(entries: Iterable[TenantEntry]) -> list[RowProblem]:
    """A warning for each domain of two companies of the file."""
    owners: dict[str, str] = {}
    found = []
    for entry in entries:
        for domain in entry.profile.domains:
            owner = owners.setdefault(domain.name, entry.tenant.name)
            if owner != entry.tenant.name:
                sentence = f"{domain.name} belongs to {owner} and to {entry.tenant.name}."
                found.append(RowProblem(entry.row, "Domains", sentence))
    return found


def confirm_import(job: TenantImport) -> None:
    """Confirm the preview. Raises OnboardingError if it was confirmed or discarded before."""
    if not job.report.get("valid"):
        raise OnboardingError("Every company has errors. Correct the file and import it again.")
    import_stages.confirm(job, status=Status.CREATING)


def run_import(job: TenantImport) -> None:
    """Create the companies without errors that have no result yet."""
    companies = {each.row: each for each in read_file(bytes(job.content)).companies}
    for place, preview in enumerate(job.report["companies"]):
        if preview["problems"] or "result" in preview:
            continue
        if not _create(job, place, companies[preview["row"]]):
            return
    import_stages.update(job, status=Status.DONE, content=b"")


def _create(job: TenantImport, place: int, company: CompanyRows) -> bool:
    """Create one tenant, and store the result in the same transaction.

    Returns False if the import is no longer in this state, for example because another worker
    finished it.
    """
    try:
        with transaction.atomic():
            locked = import_stages.locked(job)
            if locked is None or "result" in locked.report["companies"][place]:
                return locked is not None
            return _store_result(locked, place, tenant=_save(company, by=job.created_by))
    except OnboardingError as error:
        with transaction.atomic():
            locked = import_stages.locked(job)
            return locked is not None and _store_result(locked, place, error=str(error))


def _store_result(locked: TenantImport, place: int, **result: str) -> bool:
    locked.report["companies"][place]["result"] = result
    locked.progress_at = database_time.now()
    locked.save(update_fields=["report", "progress_at"])
    return True


def _save(company: CompanyRows, *, by: User) -> str:
    """Create the tenant, and return its public id. Raises OnboardingError for an error."""
    entry = entry_of(company)
    if entry.problems:
        raise OnboardingError(entry.problems[0].sentence)
    tenants.save_profile(entry.tenant, entry.profile, by=by)
    for contact in entry.contacts:
        contact.tenant = entry.tenant
        contacts.save_contact(contact, by=by)
    return entry.tenant.public_id


def discard_import(job: TenantImport) -> bool:
    """Delete the import, unless a worker creates its tenants. Returns whether it was deleted."""
    rows = TenantImport.objects.filter(pk=job.pk).exclude(status=Status.CREATING)
    return bool(rows.delete()[0])


def stalled_imports(*, now: datetime) -> list[str]:
    """The public ids of the imports that a lost worker or broker left unfinished."""
    waiting = import_stages.in_progress(TenantImport.objects.defer("content"))
    return [job.public_id for job in waiting if import_stages.is_stalled(job, now=now)]


def delete_old() -> None:
    """Delete the imports of the day before, which contain personal data, and the scans."""
    import_stages.abandoned(TenantImport.objects.all()).delete()
    domain_scans.delete_old()
