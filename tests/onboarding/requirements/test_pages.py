"""Tests of the pages of a sheet, with and without JavaScript."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from checks.dns_discovery import request_discovery
from checks.models import Discovery
from onboarding.models import RequirementsSheet, SheetImport, SheetRow, Task
from onboarding.requirements import imports, services, tasks
from tenants.models import Tenant, User
from tests.factories import SignIn
from tests.onboarding.requirements.sheet_rows import add, entry_of, job, sheet_of, values

HTMX: dict[str, Any] = {"HTTP_HX_REQUEST": "true"}


def url(sheet: RequirementsSheet, name: str = "requirements-sheet", **more: str) -> str:
    ids = {"public_id": sheet.task.plan.tenant.public_id, "sheet_id": sheet.public_id}
    return reverse(f"onboarding:{name}", kwargs=ids | more)


def fill(tenant: Tenant, owner: User, number: int) -> RequirementsSheet:
    sheet = sheet_of(tenant)
    job(sheet, "\n".join(f"person{n}@outside.test" for n in range(number)), owner)
    sheet.refresh_from_db()
    return sheet


@pytest.mark.parametrize("rows", [1, 500])
def test_sheet_query_count_is_constant(
    tenant: Tenant, owner: User, signed_in: SignIn, django_assert_num_queries: Any, rows: int
) -> None:
    sheet = fill(tenant, owner, rows)
    client = signed_in(owner)
    client.get(url(sheet))

    with django_assert_num_queries(9):
        response = client.get(url(sheet))
    with django_assert_num_queries(10):
        found = client.get(url(sheet) + "?q=PERSON0@")

    assert response.content.decode().count('<tr id="row-') == min(rows, 50)
    assert found.content.decode().count('<tr id="row-') == 1


def test_sheet_pages_and_empty_search(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    sheet = fill(tenant, owner, 120)
    client = signed_in(owner)

    last = client.get(url(sheet) + "?page=3").content.decode()
    none = client.get(url(sheet) + "?q=nobody", **HTMX).content.decode()

    assert last.count('<tr id="row-') == 20
    assert "Page 3 of 3" in last
    assert none.strip().startswith('<div id="requirements-rows">')
    assert "No row contains “nobody”" in none


def test_search_escapes_query_in_page_links(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    sheet = fill(tenant, owner, 60)
    SheetRow.objects.filter(sheet=sheet).update(text="r&d + 100% #1")

    html = signed_in(owner).get(url(sheet), {"q": "R&D + 100% #1"}).content.decode()

    (later,) = re.findall(r'href="(\?[^"]*page=2)"', html)
    following = signed_in(owner).get(url(sheet) + unescape(later)).content.decode()
    assert following.count('<tr id="row-') == 10


def test_added_row_is_validated(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    sheet, client = sheet_of(tenant), signed_in(owner)

    good = client.post(url(sheet, "requirements-row-add"), {"target": "Ann@Outside.test"})
    bad = client.post(url(sheet, "requirements-row-add"), {"target": "ann@@x", "note": "keep me"})
    again = client.post(url(sheet, "requirements-row-add"), {"target": "ann@outside.test"})

    assert (good.status_code, bad.status_code, again.status_code) == (302, 422, 422)
    html = bad.content.decode()
    assert "has more than one @" in html
    assert 'value="ann@@x"' in html
    assert 'value="keep me"' in html
    assert "already has this entry" in again.content.decode()
    assert values(sheet) == [["Ann@outside.test", "", "forward", ""]]


@pytest.mark.parametrize("with_script", [True, False])
def test_row_is_edited_in_place_or_on_page(
    tenant: Tenant, owner: User, signed_in: SignIn, with_script: bool
) -> None:
    sheet, client = sheet_of(tenant), signed_in(owner)
    row = add(sheet, owner, target="ann@outside.test")
    place = url(sheet, "requirements-row", row_id=row.public_id)
    extra: dict[str, Any] = HTMX if with_script else {}

    form = client.get(place, **extra).content.decode()
    saved = client.post(
        place, {"target": "ann@outside.test", "note": "moved", "version": "1"}, **extra
    )

    assert ("<html" in form) is not with_script
    assert 'value="ann@outside.test"' in form
    if with_script:
        html = saved.content.decode()
        assert html.strip().startswith(f'<tr id="row-{row.public_id}"')
        assert 'hx-swap-oob="true"' in html
        assert 'name="revision" value="2"' in html
    else:
        assert saved.status_code == 302
    assert values(sheet)[0][3] == "moved"


@pytest.mark.parametrize("with_script", [True, False])
def test_edit_conflict_shows_both_versions(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn, with_script: bool
) -> None:
    sheet, client = sheet_of(tenant), signed_in(owner)
    row = add(sheet, owner, target="ann@outside.test")
    theirs = entry_of(sheet, target="ann@outside.test", note="theirs")
    services.change_row(sheet, row.public_id, theirs, version=1, by=consultant)
    place = url(sheet, "requirements-row", row_id=row.public_id)
    extra: dict[str, Any] = HTMX if with_script else {}
    mine = {"target": "ann@outside.test", "note": "mine"}

    answer = client.post(place, mine | {"version": "1"}, **extra)

    html = answer.content.decode()
    assert answer.status_code == (200 if with_script else 422)
    assert "Con Sultant has changed this row" in html
    assert "theirs" in html
    assert 'value="mine"' in html
    assert 'name="version" value="2"' in html
    assert values(sheet)[0][3] == "theirs"
    client.post(place, mine | {"version": "2"}, **extra)
    assert values(sheet)[0][3] == "mine"


def test_edit_of_removed_row_keeps_typed_text(
    tenant: Tenant, owner: User, consultant: User, signed_in: SignIn
) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")
    services.remove_row(sheet, row.public_id, version=1, by=consultant)

    answer = signed_in(owner).post(
        url(sheet, "requirements-row", row_id=row.public_id),
        {"target": "ann@outside.test", "note": "mine", "version": "1"},
    )

    html = answer.content.decode()
    assert "has removed this row" in html
    assert 'value="mine"' in html
    assert f'action="{url(sheet, "requirements-row-add")}"' in html


@pytest.mark.parametrize("version", ["", "x", "9" * 40, "٣"])
def test_invalid_version_removes_nothing(
    tenant: Tenant, owner: User, signed_in: SignIn, version: str
) -> None:
    sheet = sheet_of(tenant)
    row = add(sheet, owner, target="ann@outside.test")
    place = url(sheet, "requirements-row-remove", row_id=row.public_id)

    response = signed_in(owner).post(place, {"version": version})

    assert response.status_code == 302
    assert len(values(sheet)) == 1


def test_pasted_rows_are_previewed_then_imported(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    sheet, client = sheet_of(tenant), signed_in(owner)

    bad = client.post(url(sheet, "requirements-import"), {"pasted": "ann@outside.test\nnonsense"})
    preview = client.get(bad["Location"]).content.decode()
    kept = SheetImport.objects.get()
    again = client.get(
        url(sheet, "requirements-import") + f"?retry={kept.public_id}"
    ).content.decode()
    good = client.post(
        url(sheet, "requirements-import"), {"pasted": "ann@outside.test\nbob@outside.test"}
    )
    place = url(sheet, "requirements-import-confirm", import_id=SheetImport.objects.get().public_id)
    done = client.post(place, {"duplicates": "skip"}, follow=True).content.decode()

    assert "only one part of a domain name" in preview
    assert ">Import<" not in preview.replace("\n", "").replace(" ", "")
    assert "ann@outside.test\nnonsense</textarea>" in again
    assert good.status_code == 302
    assert "Added: 2 rows." in done
    assert [row[0] for row in values(sheet)] == ["ann@outside.test", "bob@outside.test"]


def test_preview_names_ignored_rows(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    sheet, client = sheet_of(tenant), signed_in(owner)
    text = "Forwards of Client Ltd\n\nAddress,Mailbox\nann@x.example,m"

    response = client.post(url(sheet, "requirements-import"), {"pasted": text}, follow=True)

    words = " ".join(response.content.decode().split())
    assert "Columns from the headings: Address or domain outside, Mailbox, rule or device." in words
    assert "headings are in row 3. Not imported from above them: “Forwards of Client Ltd”." in words


def test_file_and_paste_together_are_refused(
    tenant: Tenant, owner: User, signed_in: SignIn
) -> None:
    sheet = sheet_of(tenant)
    file = SimpleUploadedFile("list.csv", b"ann@outside.test")

    response = signed_in(owner).post(
        url(sheet, "requirements-import"), {"pasted": "bob@outside.test", "file": file}
    )

    html = response.content.decode()
    assert response.status_code == 422
    assert "not both" in html
    assert "bob@outside.test</textarea>" in html
    assert SheetImport.objects.count() == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"client.com\n\nAddress,Mailbox\nann@x.example,m", "The headings seem to be in row 3."),
        (b"Ann,Miller\nBob,Miller\nCarl,Miller", "No row contains the headings of this sheet"),
        (b'[{"Value": "a.example"}]', "This file is JSON, not a table."),
    ],
)
@pytest.mark.parametrize("field", ["pasted", "file"])
def test_unreadable_content_is_explained(
    tenant: Tenant,
    owner: User,
    signed_in: SignIn,
    django_capture_on_commit_callbacks: Any,
    field: str,
    content: bytes,
    sentence: str,
) -> None:
    sheet, client = sheet_of(tenant), signed_in(owner)
    file = SimpleUploadedFile("list.csv", content)
    data = {"pasted": content.decode()} if field == "pasted" else {"file": file}

    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(url(sheet, "requirements-import"), data)
    if field == "file":
        # A worker has read the file. The open page of the import follows the redirect.
        shown = client.get(response.headers["Location"], **HTMX)
        response = client.get(shown.headers["HX-Redirect"])

    html = unescape(response.content.decode())
    assert response.status_code == (422 if field == "pasted" else 200)
    assert f'id="id_{field}_error"' in html
    assert html.count('class="errorlist"') == 1
    assert html.count(sentence) == 1
    assert (content.decode() in html) == (field == "pasted")
    assert values(sheet) == []


def test_request_never_reads_a_file(
    tenant: Tenant, owner: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("the request parsed the file")

    monkeypatch.setattr(imports, "read_table", fail)
    sheet = sheet_of(tenant)
    file = SimpleUploadedFile("list.csv", b"ann@outside.test")

    response = signed_in(owner).post(url(sheet, "requirements-import"), {"file": file})

    assert response.status_code == 302
    assert SheetImport.objects.get().status == "reading"


def test_imports_of_a_tenant_run_in_order(
    tenant: Tenant, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheets = list(RequirementsSheet.objects.filter(task__plan__tenant=tenant)[:3])
    jobs = [imports.create_import(s, name="a.csv", content=b"x,y", by=owner) for s in sheets]
    started: list[int] = []
    queued: list[str] = []
    monkeypatch.setattr(imports, "read_import", lambda job: _end(job, started))
    monkeypatch.setattr(tasks, "_send_import", queued.append)

    tasks.import_sheet(jobs[2].public_id)
    assert started == []
    tasks.import_sheet(jobs[0].public_id)
    assert (started, queued) == ([jobs[0].pk], [jobs[1].public_id])
    tasks.import_sheet(queued[-1])
    tasks.import_sheet(queued[-1])

    assert started == [each.pk for each in jobs]
    assert queued == [each.public_id for each in jobs[1:]]


def _end(job: SheetImport, started: list[int]) -> None:
    started.append(job.pk)
    SheetImport.objects.filter(pk=job.pk).update(status="ready")


def test_only_a_running_import_polls(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    sheet, client = sheet_of(tenant), signed_in(owner)
    kept = job(sheet, "ann@outside.test", owner)
    place = url(sheet, "requirements-import-show", import_id=kept.public_id)

    finished = client.get(place, **HTMX).content.decode()
    SheetImport.objects.update(
        status="importing",
        rows_found=50_000,
        rows_checked=12_000,
        attempts=1,
        progress_at=timezone.now(),
    )
    under_way = client.get(place, **HTMX).content.decode()

    assert "hx-trigger" not in finished
    assert 'hx-trigger="load delay:2s"' in under_way
    # The second of three stages, a quarter of it done.
    assert 'value="41" max="100"' in under_way
    assert "12,000 of 50,000 rows checked." in under_way
    assert "is in progress" in client.get(url(sheet)).content.decode()


def test_large_import_is_queued(
    tenant: Tenant, owner: User, signed_in: SignIn, django_capture_on_commit_callbacks: Any
) -> None:
    sheet, client = sheet_of(tenant), signed_in(owner)
    text = "\n".join(f"person{n}@outside.test" for n in range(2000)).encode()
    file = SimpleUploadedFile("list.csv", text)

    with django_capture_on_commit_callbacks() as queued:
        client.post(url(sheet, "requirements-import"), {"file": file})
    waiting = SheetImport.objects.get().status
    for callback in queued:
        callback()

    assert waiting == "reading"
    kept = SheetImport.objects.get()
    assert (kept.status, kept.report["new"]) == ("ready", 2000)


def test_page_sign_offs_complete_the_task(
    tenant: Tenant, owner: User, consultant: User, client: Client
) -> None:
    sheet = sheet_of(tenant)
    for person in (owner, consultant):
        client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
        client.post(url(sheet, "requirements-sign-off"), {"revision": "0"})

    page = client.get(url(sheet)).content.decode()
    plan = client.get(
        reverse("onboarding:plan-show", args=[tenant.public_id]) + "?phase=outbound-requirements"
    ).content.decode()
    log = client.get(reverse("onboarding:activity", args=[tenant.public_id])).content.decode()

    assert Task.objects.get(pk=sheet.task_id).status == "done"
    assert page.count("signed off</span>") == 2
    assert url(sheet) in plan
    assert "signed off the requirements sheet" in log
    client.post(url(sheet, "requirements-sign-off-withdraw"))
    assert Task.objects.get(pk=sheet.task_id).status == "partly_confirmed"


def test_viewer_reads_and_exports_only(
    tenant: Tenant, viewer: User, owner: User, signed_in: SignIn
) -> None:
    sheet = sheet_of(tenant)
    add(sheet, owner, target="ann@outside.test")
    client = signed_in(viewer)

    html = client.get(url(sheet)).content.decode()

    assert "ann@outside.test" in html
    for offered in ("/rows/", "/sign/", "Remove", "Paste or upload", "Add a row"):
        assert offered not in html
    for ending in ("csv", "xlsx"):
        response = client.get(url(sheet, "requirements-export") + f"?format={ending}")
        assert response["Content-Disposition"] == f'attachment; filename="forwarding.{ending}"'


def test_spf_sender_is_suggested_and_added(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    domain = tenant.domains.get()
    request_discovery(domain)
    senders = [
        {"term": "include:spf.news.example", "name": "News", "depth": 0},
        {"term": "ip4:8.8.4.0/24", "name": "", "depth": 0},
        {"term": "mx", "name": "", "depth": 0},
    ]
    Discovery.objects.filter(domain=domain).update(found={"senders": senders})
    sheet, client = sheet_of(tenant, "spoofing-exceptions"), signed_in(owner)

    before = client.get(url(sheet)).content.decode()
    for term in ("include:spf.news.example", "ip4:8.8.4.0/24", "mx", "include:other.example"):
        client.post(
            url(sheet, "requirements-suggestion-use"), {"suggestion": f"{domain.name} {term}"}
        )
    after = client.get(url(sheet)).content.decode()

    assert before.count("Use<") == 2
    assert SheetRow.objects.filter(sheet=sheet).count() == 2
    assert [row[:4] for row in values(sheet)] == [
        ["News", "SPF", "spf.news.example", "northwind.test"],
        ["ip4:8.8.4.0/24", "address", "8.8.4.0/24", "northwind.test"],
    ]
    assert "Use<" not in after
    assert "Add its addresses manually" in after
