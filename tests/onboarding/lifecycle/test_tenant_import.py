"""Imports of tenants: the rows of a file, the preview, the creation, and lost workers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils.html import strip_tags

from onboarding.lifecycle import tenants
from onboarding.lifecycle.erasure import erase_tenant
from onboarding.lifecycle.tenant_import import services
from onboarding.lifecycle.tenant_import.reading import read_file
from onboarding.lifecycle.tenant_import.tasks import import_tenants, resume_tenant_imports
from onboarding.models import Contact, TenantImport
from onboarding.requirements import import_stages
from tenants import database_time
from tenants.models import Domain, Host, Tenant, User
from tests.api.clients import client_for
from tests.factories import SignIn
from tests.onboarding.requirements.files import ods, workbook

pytestmark = pytest.mark.django_db
HEADINGS = "Company name,Domains,Region,Mail platform,Directory"
NORTH = 'North,"north.test; mail.north.test",Germany,Microsoft 365,Entra ID (Azure AD)'
SOUTH = "South,south.test,za,google_workspace,google"


def previewed(text: str | bytes, by: User) -> TenantImport:
    content = text.encode() if isinstance(text, str) else text
    job = services.create_import(name="tenants.csv", content=content, by=by)
    services.read_import(job)
    return job


def sentences(job: TenantImport) -> list[str]:
    return [
        f"{problem['row']} {problem['column']}: {problem['sentence']}"
        for company in job.report["companies"]
        for problem in company["problems"]
    ]


def created(text: str, by: User) -> TenantImport:
    job = previewed(text, by)
    services.confirm_import(job)
    services.run_import(job)
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("is_created", [True, False])
def test_erasure_deletes_imports_with_the_tenant(
    consultant: User, administrator: User, is_created: bool
) -> None:
    """The import that created it, and a preview of another person with the same company."""
    created(f"{HEADINGS}\n{NORTH}\n{SOUTH}", consultant)
    if not is_created:
        TenantImport.objects.all().delete()
        previewed(f"{HEADINGS}\n{NORTH}", consultant)
    other = previewed(f"{HEADINGS}\nWest,west.test,za,google_workspace,google", administrator)

    erase_tenant(Tenant.objects.get(name="North"), typed="North", by=administrator)

    assert list(TenantImport.objects.all()) == [other]


def test_erasure_ends_an_import_that_creates_tenants(consultant: User, administrator: User) -> None:
    job = previewed(f"{HEADINGS}\n{NORTH}\n{SOUTH}", consultant)
    services.confirm_import(job)
    companies = read_file(bytes(job.content)).companies
    services._create(job, 0, companies[0])

    erase_tenant(Tenant.objects.get(name="North"), typed="North", by=administrator)
    services.run_import(job)

    ended = TenantImport.objects.get()
    assert (bytes(ended.content), ended.report, ended.status) == (b"", {}, "failed")
    assert ended.error.startswith("A tenant of this file was erased.")
    assert not Tenant.objects.exists()


def test_rows_become_tenants(consultant: User) -> None:
    job = created(f"{HEADINGS}\n{NORTH}\n{SOUTH}", consultant)

    north, south = Tenant.objects.order_by("name")
    results = [company["result"] for company in job.report["companies"]]
    assert results == [{"tenant": north.public_id}, {"tenant": south.public_id}]
    assert [(d.name, d.role) for d in north.domains.all()] == [
        ("north.test", Domain.Role.PRIMARY),
        ("mail.north.test", Domain.Role.SECONDARY),
    ]
    assert (south.platform, south.directory_method, south.time_zone) == (
        "google_workspace",
        "google",
        "UTC",
    )
    assert (north.plan.tasks.exists(), north.checks.exists()) == (True, True)
    assert (job.status, bytes(job.content)) == ("done", b"")


def test_further_rows_add_to_the_company(consultant: User) -> None:
    created(
        "Client;Domain;Domain role;Region;Platform;Directory;Delivery host;Directory host;"
        "Contact role;Contact name;Contact e-mail;Products;Journaling\n"
        "North;north.test;;Germany;Hybrid;LDAP;mx1.north.test;ad.north.test:3269;"
        "DNS owner;Di Gennes;di@north.test;;yes\n"
        "north;parked.test;Parked;;;;mx2.north.test:2525;;Technical contact;Tom;tom@north.test;;",
        consultant,
    )

    [tenant] = Tenant.objects.all()
    hosts = [(h.purpose, h.name, h.port, h.consented_at) for h in Host.objects.order_by("pk")]
    assert [(d.name, d.role) for d in tenant.domains.all()] == [
        ("north.test", "primary"),
        ("parked.test", "parked"),
    ]
    assert hosts == [
        ("delivery", "mx1.north.test", 25, None),
        ("directory", "ad.north.test", 3269, None),
        ("delivery", "mx2.north.test", 2525, None),
    ]
    assert sorted(Contact.objects.values_list("role", "name", "email")) == [
        ("dns", "Di Gennes", "di@north.test"),
        ("technical", "Tom", "tom@north.test"),
    ]
    assert tenant.journaling


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([NORTH.replace("Germany", "Mars")], "2 Region: “Mars” is not one of the choices"),
        ([NORTH.replace("Germany", "")], "2 Region: Choose the region, or enter the account"),
        ([NORTH.replace("north.test;", "co.uk;")], "2 Domains: co.uk: “co.uk” is a public suffix"),
        ([NORTH.replace("Microsoft 365", "")], "2 Mail platform: This field is required."),
        ([NORTH, "North,other.test,South Africa,,"], "3 Region: Row 2 has another value"),
        ([NORTH, "North,north.test,,,"], "3 Domains: north.test: north.test is in this list"),
        (["North,,Germany,Hybrid,LDAP"], "2 Domains: Enter at least one domain."),
        (["Known,new.test,Germany,Hybrid,LDAP"], "2 Company name: A tenant with this name exists"),
    ],
)
def test_error_names_row_and_column(
    rows: list[str], expected: str, consultant: User, make_tenant: Any
) -> None:
    make_tenant("Known", (("known.test", "primary"),))

    job = previewed("\n".join([HEADINGS, *rows]), consultant)

    [found] = sentences(job)
    assert found.startswith(expected)
    assert job.report["invalid"] == 1


@pytest.mark.parametrize(
    ("heading", "cell", "column"),
    [
        ("Delivery hosts", "mx.north.test:99999", "Delivery hosts"),
        ("Consultant", "stranger@outside.test", "Consultant"),
        ("Time zone", "Mars/Base", "Time zone"),
        ("Products", "Unknown product", "Products"),
        ("Contact name", "Di", "Contact role"),
        ("Account code", "XX1", "Account code"),
    ],
)
def test_error_in_other_columns(heading: str, cell: str, column: str, consultant: User) -> None:
    job = previewed(f"{HEADINGS},{heading}\n{NORTH},{cell}", consultant)

    assert {problem.split(": ")[0] for problem in sentences(job)} >= {f"2 {column}"}


def test_errors_block_only_their_company(consultant: User) -> None:
    job = created(f"{HEADINGS}\n{NORTH}\n{SOUTH.replace('za', 'Mars')}", consultant)

    assert list(Tenant.objects.values_list("name", flat=True)) == ["North"]
    assert [("result" in company) for company in job.report["companies"]] == [True, False]


def test_name_that_was_taken_meanwhile_is_reported(consultant: User, make_tenant: Any) -> None:
    job = previewed(f"{HEADINGS}\n{NORTH}\n{SOUTH}", consultant)
    make_tenant("North", (("taken.test", "primary"),))

    services.confirm_import(job)
    services.run_import(job)
    job.refresh_from_db()

    north, south = (company["result"] for company in job.report["companies"])
    assert north["error"].startswith("A tenant with this name exists already")
    assert south["tenant"] == Tenant.objects.get(name="South").public_id


def test_domain_of_two_companies_is_a_warning(consultant: User) -> None:
    job = previewed(f"{HEADINGS}\n{NORTH}\n{SOUTH.replace('south.test', 'north.test')}", consultant)

    [problem] = job.report["problems"]
    assert problem["sentence"] == "north.test belongs to North and to South."
    assert job.report["valid"] == 2


@pytest.mark.parametrize("make", [workbook, ods])
def test_worksheets_are_read(make: Any, consultant: User) -> None:
    cells = [line.replace('"', "").split(",") for line in (HEADINGS, NORTH, SOUTH)]

    job = previewed(make(Tenants=cells), consultant)

    assert (job.report["valid"], job.report["invalid"]) == (2, 0)


def test_file_without_headings_is_refused(consultant: User) -> None:
    job = previewed("just some words\nand more", consultant)

    assert job.status == "failed"
    assert "Company name" in job.error


def test_too_many_companies_are_refused(consultant: User) -> None:
    job = previewed(
        f"{HEADINGS}\n" + "\n".join(f"C{n},c{n}.test,,," for n in range(501)), consultant
    )

    assert job.error == "The file has 501 companies. Import at most 500 at once."


def test_lost_worker_creates_no_tenant_twice(
    consultant: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = previewed(f"{HEADINGS}\n{NORTH}\n{SOUTH}", consultant)
    services.confirm_import(job)
    save_profile = tenants.save_profile
    saved: list[None] = []

    def die_after_one(*args: Any, **options: Any) -> None:
        if saved:
            raise SystemExit
        save_profile(*args, **options)
        saved.append(None)

    monkeypatch.setattr(tenants, "save_profile", die_after_one)
    with pytest.raises(SystemExit):
        import_tenants(job.public_id)
    monkeypatch.setattr(tenants, "save_profile", save_profile)
    long_ago = database_time.now() - 2 * import_stages.STALLED_AFTER
    TenantImport.objects.update(progress_at=long_ago)

    resume_tenant_imports()

    job.refresh_from_db()
    assert sorted(Tenant.objects.values_list("name", flat=True)) == ["North", "South"]
    assert (job.status, job.attempts) == ("done", 2)


def test_fourth_attempt_fails(consultant: User) -> None:
    job = services.create_import(name="a", content=b"x", by=consultant)
    TenantImport.objects.filter(pk=job.pk).update(attempts=3)

    import_tenants(job.public_id)

    job.refresh_from_db()
    assert (job.status, job.error[:40]) == ("failed", "The import was started three times and s")


def test_imports_are_deleted_after_a_day(consultant: User) -> None:
    job = previewed(f"{HEADINGS}\n{NORTH}", consultant)
    TenantImport.objects.filter(pk=job.pk).update(
        created_at=database_time.now() - import_stages.DELETE_AFTER - timedelta(minutes=1)
    )

    resume_tenant_imports()

    assert not TenantImport.objects.exists()


# --- Pages


def upload(client: Any, text: str) -> Any:
    return client.post(
        reverse("onboarding:tenant-import"), {"file": SimpleUploadedFile("t.csv", text.encode())}
    )


def test_pages_from_upload_to_result(
    consultant: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    client = signed_in(consultant)
    with django_capture_on_commit_callbacks(execute=True):
        shown = upload(client, f"{HEADINGS}\n{NORTH}\n{SOUTH.replace('za', 'Mars')}")
    preview = client.get(shown.url).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{shown.url}confirm/")
    result = client.get(shown.url).content.decode()

    north = Tenant.objects.get()
    assert "Create 1 tenant" in preview
    assert "“Mars” is not one of the choices" in preview
    assert "1 company has errors and is not created" in " ".join(strip_tags(preview).split())
    assert f'href="{reverse("onboarding:plan-show", args=[north.public_id])}"' in result


def test_second_confirmation_creates_nothing(consultant: User, signed_in: SignIn) -> None:
    job = created(f"{HEADINGS}\n{NORTH}", consultant)
    url = reverse("onboarding:tenant-import-confirm", args=[job.public_id])

    page = signed_in(consultant).post(url, follow=True).content.decode()

    assert "This import was already started or discarded." in page
    assert Tenant.objects.count() == 1


def test_empty_file_is_refused(consultant: User, signed_in: SignIn) -> None:
    response = upload(signed_in(consultant), " ")

    assert response.status_code == 422
    assert not TenantImport.objects.exists()


def test_example_can_be_imported(consultant: User, signed_in: SignIn) -> None:
    example = signed_in(consultant).get(reverse("onboarding:tenant-import-example")).content

    job = previewed(example, consultant)

    assert (job.report["valid"], sentences(job)) == (1, [])


def test_discarded_import_is_deleted(consultant: User, signed_in: SignIn) -> None:
    job = previewed(f"{HEADINGS}\n{NORTH}", consultant)

    signed_in(consultant).post(reverse("onboarding:tenant-import-discard", args=[job.public_id]))

    assert not TenantImport.objects.exists()


def test_api_shows_a_stalled_import(consultant: User) -> None:
    job = services.create_import(name="a", content=b"x", by=consultant)
    api = client_for(consultant)

    before = api.get(f"tenant-imports/{job.public_id}/").json()
    long_ago = database_time.now() - 2 * import_stages.STALLED_AFTER
    TenantImport.objects.update(progress_at=long_ago)
    after = api.get(f"tenant-imports/{job.public_id}/").json()

    assert [(each["status"], each["is_stalled"]) for each in (before, after)] == [
        ("reading", False),
        ("reading", True),
    ]
