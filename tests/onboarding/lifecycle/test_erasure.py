"""Erasure: no value that a person entered remains in any table or file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone

from checks.models import HostAnswer
from onboarding.collaboration import file_store
from onboarding.lifecycle import erasure, offboarding
from onboarding.models import SavedView
from tenants import people
from tenants.log_verification import verify_logs
from tenants.models import ActivityChain, ActivityLine, Membership, Tenant, User
from tests.access_matrix import routes
from tests.action_world import VALUES, ActionWorld, create_world
from tests.actions import Form, clients_of, forms_on, value_of
from tests.factories import MakeTenant, store_audit_line
from tests.stored_values import places_of
from tests.tenants.sign_in import request_code, sign_in

pytestmark = pytest.mark.django_db

# The actions that remove objects, or end the work on the tenant, come last or not at all.
_REMOVES = re.compile(
    r"remove|delete|discard|revoke|erase|close|reopen|withdraw|deactivate|undo|cancel|moved-"
)
_TEXT_FIELDS = ("text", "textarea", "search", "url", "tel")
# The only values that remain, with the reason.
REMAINS = {
    "mkname": "the line of the audit log names the erased tenant",
    "mkelsewhere": "the address of a failed sign-in is at a domain that the tenant does not have",
}


@pytest.fixture(autouse=True)
def files_dir(tmp_path: Path, settings: Any) -> Path:
    settings.FILES_DIR = tmp_path
    return tmp_path


class _Markers:
    """Unique values, in the form that each field accepts."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def new(self, place: str) -> str:
        marker = f"mk{len(self.made):04}x"
        self.made[marker] = place
        return marker


def _data(form: Form, markers: _Markers, place: str, attempt: int) -> dict[str, Any]:
    """Entries for all fields: markers in every text field, or in those without a valid value."""
    data: dict[str, Any] = {}
    named = VALUES.get(place, {})
    for entry in form.fields:
        name, value = entry["name"], value_of(entry)
        if name == "csrfmiddlewaretoken" or value is None:
            continue
        is_free = not entry.get("value") or attempt == 0
        if entry["type"] in _TEXT_FIELDS and is_free and name not in named:
            limit = int(entry.get("maxlength") or 100)
            marker = markers.new(f"{place} {name}") if limit > 6 else ""
            value = f"{marker}.test" if "domain" in name or "host" in name else marker
        elif entry["type"] == "email" and is_free:
            value = f"{markers.new(f'{place} {name}')}@one.test"
        elif entry["type"] == "file":
            marker = markers.new(f"{place} {name}")
            value = SimpleUploadedFile(f"{marker}.txt", f"{marker}@outside.test\n".encode())
        data.setdefault(name, value)
    data |= {name: value for name, value in named.items() if name not in data or not data[name]}
    for button in form.buttons:
        if button.get("name"):
            data.setdefault(button["name"], button.get("value", ""))
    return {name: value for name, value in data.items() if value is not None}


def _forms(world: ActionWorld, client: Client) -> Iterator[tuple[str, str, Form]]:
    """One form of each action of the tenant: the name of the URL, the URL, the form."""
    urls = set()
    for route in routes():
        if "public_id" in route.params and set(route.params) <= set(world.ids):
            ids = {**world.ids, **world.ids_by_name.get(route.name, {})}
            urls.add(reverse(route.name, kwargs={name: ids[name] for name in route.params}))
    found: dict[tuple[str, str], tuple[str, str, Form]] = {}
    for url in sorted(urls):
        response = client.get(url)
        if response.streaming:
            b"".join(response)
        if response.status_code != 200 or "html" not in response.get("Content-Type", ""):
            continue
        for form in forms_on(response.content.decode()):
            address = form.action or url
            name = resolve(re.split("[?#]", address)[0]).view_name
            fields = " ".join(sorted({entry["name"] for entry in form.fields}))
            found.setdefault((name, fields), (name, address, form))
    kept = [each for each in found.values() if world.ids["public_id"] in each[1]]
    yield from sorted(
        (each for each in kept if not _REMOVES.search(each[0])), key=lambda each: each[0]
    )


def _fill_every_form(world: ActionWorld, markers: _Markers) -> set[str]:
    """Send every form of the tenant's pages, for each side. Returns the accepted actions."""
    accepted = set()
    for client in clients_of(world.people).values():
        for name, url, form in list(_forms(world, client)):
            for attempt in (0, 1):
                cache.clear()
                with transaction.atomic():
                    response = client.post(url, _data(form, markers, name, attempt))
                    assert response.status_code < 500, name
                    transaction.set_rollback(response.status_code >= 400)
                if response.status_code < 400:
                    accepted.add(name)
                    break
    return accepted


def _old_failed_sign_in(address: str) -> None:
    """A line as version 0.1.0 wrote it, with the address in its hashed content."""
    store_audit_line("sign-in-failed", {"address": address}, version=1)


def _use_accounts(world: ActionWorld) -> set[str]:
    """Sign-ins, second factors, social accounts and a former member. Returns the values."""
    tenant, owner = world.tenant, world.people["client"]
    _old_failed_sign_in("mkold@one.test")
    _old_failed_sign_in("mkelsewhere@other.test")
    User.objects.filter(pk=owner.pk).update(name="Mkowner Name", email="mkowner@private.test")
    former = User.objects.create_user("mkformer@private.test", "pw", name="Mkformer Person")
    membership = Membership.objects.create(tenant=tenant, user=former, role="member")
    staff = clients_of(world.people)["staff"]
    for person in (former, owner):
        Authenticator.objects.create(
            user=person, type="webauthn", data={"name": f"mkpasskey {person.pk}", "credential": {}}
        )
        SocialAccount.objects.create(
            user=person,
            provider="openid_connect",
            uid=f"mkuid {person.pk}",
            extra_data={"sub": "mkuid"},
        )
    Client().force_login(former, backend="allauth.account.auth_backends.AuthenticationBackend")
    staff.post(reverse("onboarding:person-remove", args=[tenant.public_id, former.public_id]))
    assert not Membership.objects.filter(pk=membership.pk).exists()
    staff.post(reverse("onboarding:person-deactivate", args=[former.public_id]))
    assert not User.objects.get(pk=former.pk).is_active
    for address in ("mkfailed@one.test", "MkUpper@ONE.test", "mkowner@private.test"):
        cache.clear()
        sign_in(Client(), address, "wrong")
        request_code(Client(), address)
    Tenant.objects.filter(pk=tenant.pk).update(name="mkname")
    HostAnswer.objects.create(
        kind="starttls",
        host=tenant.hosts.all()[0].name,
        port=25,
        vantage="default",
        answered_at=timezone.now(),
        verdict="pass",
        unanimous=True,
        findings=[],
        evidence={"banner": "mkbanner"},
        raw={},
    )
    names = "old elsewhere owner former passkey failed upper uid name banner"
    return {f"mk{name}" for name in names.split()}


@pytest.mark.slow
def test_no_entered_value_remains(
    make_tenant: MakeTenant,
    outsider: User,
    files_dir: Path,
    django_capture_on_commit_callbacks: Any,
) -> None:
    world, markers = create_world(make_tenant), _Markers()
    with django_capture_on_commit_callbacks(execute=True):
        accepted = _fill_every_form(world, markers)
    with django_capture_on_commit_callbacks(execute=True):
        values = _use_accounts(world)
    people = {"owner@matrix.test", "own er", "dns@matrix.test", "d. n. essen", "bob@outside.test"}
    entered = {*markers.made, *values, *people, "helper of own", "one.test", "+44 20 7946 0000"}
    before = places_of(entered, files_dir)
    world.tenant.refresh_from_db()

    with django_capture_on_commit_callbacks(execute=True):
        client = clients_of(world.people)["staff"]
        erase = reverse("onboarding:tenant-erase", args=[world.tenant.public_id])
        response = client.post(erase, {"name": "mkname"}, follow=True)

    assert "mkname" in response.content.decode(), "the message is shown once"
    # The forms were sent: their values were in most tables, and in files.
    columns = {place for places in before.values() for place in places}
    assert (len(accepted) > 40, len(before) > 50, len(columns) > 40) == (True, True, True)
    assert values <= set(before)
    assert places_of(entered, files_dir) == {
        value: {"tenants_activityline.params"} for value in REMAINS
    }
    assert [report.fault for report in verify_logs() if report.fault] == []


def test_erasure_is_logged_with_the_lines_it_changed(
    tenant: Tenant, owner: User, administrator: User, django_capture_on_commit_callbacks: Any
) -> None:
    _old_failed_sign_in(owner.email)
    sign_in(Client(), "unknown@northwind.test", "wrong")
    sign_in(Client(), "unknown@elsewhere.test", "wrong")
    head = ActivityChain.objects.get(scope=tenant.public_id).head

    erasure.erase_tenant(tenant, typed=tenant.name, by=administrator)

    params = ActivityLine.objects.get(action="tenant-erased").params
    assert (params["emptied_lines"], params["erased_addresses"]) == ([1], [2])
    assert (params["head"], params["lines"]) == (head, 1)
    failed = ActivityLine.objects.filter(action="sign-in-failed").order_by("number")
    assert [line.display_params for line in failed] == [
        {},
        {"address": "(erased)"},
        {"address": "unknown@elsewhere.test"},
    ]
    assert [report.fault for report in verify_logs() if report.fault] == []


def test_former_colleague_leaves_the_audit_log(
    tenant: Tenant, administrator: User, consultant: User, files_dir: Path
) -> None:
    """Every action of the audit log with the address or the name of a person."""
    person = people.add_staff("Mkgone Person", "mkgone@gangway.test", "manager", by=administrator)
    people.change_staff(person, "consultant", [consultant], by=administrator)
    people.change_staff(consultant, "manager", [person], by=administrator)
    people.change_staff(consultant, "manager", [], by=administrator)
    people.rename(person, email="mkgone2@gangway.test", name="Mkgone Person", by=administrator)
    person.refresh_from_db()
    people.rename(person, email="mklater@gangway.test", name="Mklater Person", by=administrator)
    people.set_staff_role(person, "")
    people.deactivate(person, by=administrator)
    people.activate(person, by=administrator)
    person.refresh_from_db()
    Membership.objects.create(tenant=tenant, user=person, role="member")
    store_audit_line("staff-added", {"person": "mklater@gangway.test"}, version=2)
    values = {"mkgone", "mklater"}
    before = places_of(values, files_dir)

    erasure.erase_tenant(tenant, typed=tenant.name, by=administrator)

    assert (set(before), places_of(values, files_dir)) == (values, {})
    assert [report.fault for report in verify_logs() if report.fault] == []


def test_address_of_a_remaining_account_stays(
    tenant: Tenant, consultant: User, administrator: User
) -> None:
    User.objects.filter(pk=consultant.pk).update(email="consultant@northwind.test")
    sign_in(Client(), "Consultant@northwind.test", "wrong")

    erasure.erase_tenant(tenant, typed=tenant.name, by=administrator)

    line = ActivityLine.objects.get(action="sign-in-failed")
    assert line.display_params["address"].lower() == "consultant@northwind.test"


def test_file_of_a_killed_writer_is_swept(
    tenant: Tenant, administrator: User, files_dir: Path, django_capture_on_commit_callbacks: Any
) -> None:
    stray = files_dir / "ab" / "abcdef.part"
    stray.parent.mkdir()
    stray.write_bytes(b"half of an export")
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase_tenant(tenant, typed=tenant.name, by=administrator)

    long_after = timezone.now() + file_store.SWEEP_AFTER + timedelta(hours=1)
    file_store.sweep_folder("ab", offboarding.stored_in, now=long_after)

    assert [path for path in files_dir.rglob("*") if path.is_file()] == []


def test_saved_views_lose_the_names_of_the_tenant(
    make_tenant: MakeTenant, consultant: User, administrator: User, owner: User, files_dir: Path
) -> None:
    tenant = make_tenant("Zephyrine Works", domains=(("zephyr-mail.test", "primary"),))
    make_tenant("Contoso Works", domains=(("contoso-mail.test", "primary"),))
    for name, query in {
        "By name": "q=Zephyrine+Works&risk=any",
        "By term": "q=zephyri",
        "By domain": "q=zephyr-mail.test&sort=due",
        "zephyr-mail.test": "risk=any",
        "Zephyrine, weekly": "",
        "Works": "q=Works",
    }.items():
        SavedView.objects.create(owner=consultant, name=name, query=query, is_shared=True)
    SavedView.objects.create(owner=administrator, name="zephyr-mail.test", query="")
    former = User.objects.create_user("former@zephyr-mail.test", "pw", name="Former")
    Membership.objects.create(tenant=tenant, user=former, role="member")
    SavedView.objects.create(owner=former, name="Mine", query="")

    erasure.erase_tenant(tenant, typed=tenant.name, by=administrator)

    places = places_of({"zephyri", "zephyr-mail.test"}, files_dir)
    assert places == {"zephyri": {"tenants_activityline.params"}}
    views = SavedView.objects.order_by("pk")
    assert [view.query for view in views] == [
        "risk=any",
        "",
        "sort=due",
        "risk=any",
        "",
        "q=Works",
        "",
    ]
    assert [view.name for view in views if not view.name.startswith("Renamed view ")] == [
        "By name",
        "By term",
        "By domain",
        "Works",
    ]
