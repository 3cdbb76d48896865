"""Kill the process of an import: another worker completes it, without doubled rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from onboarding.collaboration import file_store
from onboarding.lifecycle.archive import imports as archive_imports
from onboarding.lifecycle.archive.tasks import import_archive, resume_archive_imports
from onboarding.lifecycle.tenant_import import services as tenant_imports
from onboarding.lifecycle.tenant_import.tasks import import_tenants, resume_tenant_imports
from onboarding.models import Contact, SheetRow
from onboarding.requirements import imports as sheet_imports
from onboarding.requirements.tasks import import_sheet, resume_imports
from tenants import database_time
from tenants.models import ActivityLine, Domain, Tenant, User
from tests.factories import MakeTenant
from tests.interop.killed import die, killed_at
from tests.onboarding.lifecycle.archive.worlds import archive_of, erased, rich_tenant
from tests.onboarding.requirements.sheet_rows import sheet_of

pytestmark = [
    pytest.mark.interop,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="set DATABASE_URL to a PostgreSQL server"
    ),
]
ROWS = """Company,Domains,Region,Mail platform,Directory,Contact name,Contact e-mail,Contact role
North,north.test,Germany,Microsoft 365,LDAP,Ann,ann@north.test,DNS owner
South,south.test,Germany,Microsoft 365,LDAP,Bob,bob@south.test,DNS owner
West,west.test,Germany,Microsoft 365,LDAP,Cid,cid@west.test,DNS owner
"""


@dataclass(frozen=True)
class Kind:
    """A confirmed import, the call at which its worker dies, and its rows before and after."""

    job: Any
    work: Callable[[str], object]
    resume: Callable[[], object]
    death: tuple[Any, str, Callable[..., Any]]
    count: Callable[[], object]
    after_death: object
    after_resume: object


@pytest.fixture(autouse=True)
def files(tmp_path: Path, settings: Any) -> None:
    settings.FILES_DIR = tmp_path


def second_call_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose second call dies after its work and before the commit."""
    calls: Iterator[int] = iter(range(9))

    def call(*args: Any, **options: Any) -> Any:
        result = function(*args, **options)
        return die() if next(calls) else result

    return call


def tenant_kind(make_tenant: MakeTenant, consultant: User) -> Kind:
    job = tenant_imports.create_import(name="rows", content=ROWS.encode(), by=consultant)
    tenant_imports.read_import(job)
    tenant_imports.confirm_import(job)
    return Kind(
        job,
        import_tenants,
        resume_tenant_imports,
        (tenant_imports, "_store_result", second_call_of(tenant_imports._store_result)),
        lambda: [model.objects.count() for model in (Tenant, Domain, Contact)],
        after_death=[1, 1, 1],
        after_resume=[3, 3, 3],
    )


def archive_kind(make_tenant: MakeTenant, consultant: User) -> Kind:
    tenant, administrator = rich_tenant(make_tenant)
    content = archive_of(tenant)
    counts = [tenant.domains.count(), ActivityLine.objects.filter(tenant=tenant).count()]
    erased(tenant, administrator)
    file = SimpleUploadedFile("client.json", content)
    job = archive_imports.create_import(name="client.json", file=file, by=administrator)
    archive_imports.read_import(job)
    archive_imports.confirm_import(job)

    def count() -> list[int]:
        found = Tenant.objects.order_by("pk").last()
        if found is None:
            return []
        lines = ActivityLine.objects.filter(tenant=found)
        return [found.domains.count(), lines.count()]

    return Kind(
        job,
        import_archive,
        resume_archive_imports,
        (file_store, "remove_on_commit", die),
        count,
        after_death=[],
        # The import itself is one line.
        after_resume=[counts[0], counts[1] + 1],
    )


def sheet_kind(make_tenant: MakeTenant, consultant: User) -> Kind:
    sheet = sheet_of(make_tenant("Northwind", domains=(("one.test", "primary"),)))
    text = "\n".join(f"person{number}@outside.test" for number in range(600))
    job = sheet_imports.create_import(sheet, name="rows.csv", content=text.encode(), by=consultant)
    sheet_imports.read_import(job)
    sheet_imports.confirm_import(job, duplicates="skip", by=consultant)

    def apply(*args: Any) -> None:
        sheet_imports_apply(*args)
        die()

    sheet_imports_apply = sheet_imports._apply
    return Kind(
        job,
        import_sheet,
        resume_imports,
        (sheet_imports, "_apply", apply),
        lambda: SheetRow.objects.filter(sheet=sheet).count(),
        after_death=0,
        after_resume=600,
    )


@pytest.mark.parametrize("kind_of", [tenant_kind, archive_kind, sheet_kind])
def test_killed_import_is_completed_once(
    make_tenant: MakeTenant, consultant: User, kind_of: Callable[..., Kind]
) -> None:
    kind = kind_of(make_tenant, consultant)
    rows: Any = type(kind.job).objects.filter(pk=kind.job.pk)

    killed_at(*kind.death, lambda: kind.work(kind.job.public_id))

    # The import still waits, and shows its attempt and its progress.
    assert (kind.count(), rows.get().is_in_progress) == (kind.after_death, True)
    assert rows.get().attempts == 1
    kind.resume()
    assert kind.count() == kind.after_death, "a worker may still be alive"
    rows.update(progress_at=database_time.now() - timedelta(minutes=12))
    kind.resume()
    assert (kind.count(), rows.get().status) == (kind.after_resume, "done")
    # The broker delivers the message of the killed worker again.
    kind.work(kind.job.public_id)
    assert (kind.count(), rows.get().attempts) == (kind.after_resume, 2)
