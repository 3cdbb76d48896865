"""A refused form shows its sentence next to the field, with the typed text, at status 422.

The forms are those of the pages of one tenant. Every address with POST in docs/reference/access.md
has a form with input there, or is in one of the tables below: a new form cannot be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone

from onboarding.models import TemplateDraft
from tenants.models import Tenant
from tests.access_matrix import Route, routes
from tests.access_tables import methods_by_address
from tests.action_world import VALUES, ActionWorld, create_world
from tests.actions import Writes, clients_of, data_of, forms_on, merged, with_files
from tests.factories import MakeTenant
from tests.markup import texts

pytestmark = pytest.mark.django_db

POSTED = {
    name
    for name, methods in methods_by_address().items()
    if "POST" in methods and name.startswith(("onboarding:", "tenants:"))
}
_TEXT = ("text", "textarea", "tel", "search", "password")
_CHOICE = ("select", "radio")
TYPED = {*_TEXT, *_CHOICE, "number", "date", "datetime-local", "time", "email", "url", "file"}
# No field is as long, and a request of this size is not refused as a whole.
_TOO_LONG = 70_001
# Fields that accept every text of this length: the size of the file, or its content, decides later.
_FORM_TAG = re.compile(r"</?form[^>]*>")
# These fields accept the bad value: an import reports its problems on a page of its own, and the
# texts of a plan template have no limit. An unknown domain is 404 in every form.
ACCEPTED = {
    "onboarding:archive-import": {"file"},
    "onboarding:domain-share-link": {"domain"},
    "onboarding:platform-export-submit": {"text"},
    "onboarding:requirements-import": {"pasted"},
    "onboarding:template-phase": {"summary"},
    "onboarding:template-phase-add": {"summary"},
    "onboarding:template-task": {"do", "shown_by", "why", "links"},
    "onboarding:template-task-add": {"do", "shown_by", "why", "links"},
    "onboarding:tenant-import": {"pasted"},
}
# The refusal of a file has a line in the activity log.
_LOGGED = {"onboarding:file-add": {"tenants_activityline", "tenants_activitychain"}}
# Addresses whose form is on no page of this tenant, with one bad input.
DIRECT: dict[str, dict[str, str]] = {
    "onboarding:cutover-cancel": {"reason": "x" * 1001},
    "onboarding:lab-change": {"value": "x" * 2001},
    "onboarding:requirements-sign-off": {"reason": "x" * 501},
    "onboarding:residual-risk-accept": {"reason": "x" * 501},
    "onboarding:sign-off": {"reason": "x" * 501},
    "onboarding:task-transition": {"reason": "x" * 501},
    "onboarding:tasks-bulk": {"comment": "x" * 5001},
    "onboarding:template-source": {"title": "x" * 201},
    "onboarding:tenant-reopen": {"reason": "x" * 501},
    "tenants:invitation": {"name": "x" * 101},
}
# The link of the first administrator works only without one: see test_setup_account.py.
_WITHOUT_WORLD = {"tenants:setup-account"}
# Buttons, and forms of checkboxes or hidden fields alone.
WITHOUT_INPUT = {
    "onboarding": """
        all-webhook-pause all-webhook-redeliver all-webhook-remove all-webhook-rotate
        all-webhook-test archive-import-confirm archive-import-discard archive-request
        calendar-feed-revoke check-run check-run-all checks-start closing-pack-request
        comment-delete contact-remove custom-task-remove desk-remind dns-scan domain-value-confirm
        drift-unmute export-request freeze-remove global-freeze-remove holiday-remove host-confirm
        host-from-sheet invitation-resend invitation-revoke lab-test-message
        mimecast-holiday-remove on-call-remove original-schedule-save person-activate
        person-deactivate person-remove plan-upgrade requirements-answer-use requirements-host-use
        requirements-import-confirm requirements-import-discard requirements-partners-test
        requirements-row-remove requirements-sign-off-withdraw requirements-suggestion-use
        residual-risk-withdraw saved-view-remove setup-finish setup-mail-test setup-regions
        share-link-check-run share-link-revoke snapshot-save suggestion-dismiss suggestion-use
        task-check-run task-confirm task-domain-confirm task-domain-include task-domain-withdraw
        task-remind task-undo task-withdraw template-draft-create template-draft-discard
        template-phase-move template-phase-remove template-source-remove template-task-move
        template-task-remove tenant-import-confirm tenant-import-discard webhook-pause
        webhook-redeliver webhook-remove webhook-rotate webhook-test
    """,
    "tenants": """
        notification-read notifications-read scim-token-create scim-token-revoke token-revoke
        tour-end
    """,
}


@dataclass(frozen=True)
class BadInput:
    """One request with a bad value in one field."""

    address: str
    url: str
    field: str
    kind: str
    value: Any
    data: Mapping[str, Any]


def _bad(entry: Mapping[str, str]) -> Any:
    kind = entry["type"]
    if kind in _TEXT:
        return "x" * (int(entry["maxlength"]) + 1 if entry.get("maxlength") else _TOO_LONG)
    if kind in _CHOICE:
        return "no-such-choice"
    if kind == "file":
        return SimpleUploadedFile("note.exe", b"MZ\x90\x00")
    return {"number": "12x", "email": "no address", "url": "no address"}.get(kind, "2026-13-45")


def _pages(world: ActionWorld) -> set[str]:
    def url_of(route: Route) -> str:
        chosen = {**world.ids, **world.ids_by_name.get(route.name, {})}
        return reverse(route.name, kwargs={name: chosen[name] for name in route.params})

    pages = {
        url_of(route)
        for route in routes()
        if route.name.startswith(("onboarding:", "tenants:"))
        and not route.name.startswith("onboarding:moved-")
        and set(route.params) <= {*world.ids, *world.ids_by_name.get(route.name, {})}
        # Its forms are specimens.
        and route.name != "onboarding:design"
    }
    plan = reverse("onboarding:plan-show", args=[world.ids["public_id"]])
    pages |= {f"{plan}?phase={phase}" for phase in world.ids["phases"].split()}
    return pages | {f"{reverse('onboarding:tenant-list')}?view={world.ids['saved_view_id']}"}


def _bad_inputs(html: str, page: str, tried: set[tuple[str, str]]) -> Iterator[BadInput]:
    """A bad value for each typed field of each form that was not tried before."""
    for form in forms_on(html):
        url = form.action or page
        try:
            name = resolve(url.partition("?")[0]).view_name
        except Resolver404:
            continue
        data = merged(next(data_of(form)), VALUES.get(name, {}))
        for entry in form.fields:
            # One form of a set is enough. The empty one is for new rows.
            field = re.sub(r"-\d+-", "-0-", entry["name"])
            is_empty_form = "__prefix__" in field
            key = (name, field.partition(".")[0])
            if entry["type"] in TYPED and not is_empty_form and key not in tried:
                tried.add(key)
                yield BadInput(name, url, entry["name"], entry["type"], _bad(entry), data)


def _fields_on(html: str) -> list[dict[str, str]]:
    """The fields of all forms, also those outside of their form."""
    (form,) = forms_on(f'<form method="post">{_FORM_TAG.sub("", html)}</form>')
    return form.fields


def _rows(tables: Collection[str]) -> dict[str, list[Any]]:
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}" ORDER BY 1')  # noqa: S608  # tables of ours
            found[table] = cursor.fetchall()
    return found


def _faults(bad: BadInput, client: Client) -> Iterator[str]:
    """Sentences about a request that is not refused as it should be."""
    writes = Writes()
    cache.clear()
    with transaction.atomic():
        with connection.execute_wrapper(writes):
            response = client.post(bad.url, {**with_files(bad.data), bad.field: bad.value})
        tables = writes.tables - _LOGGED.get(bad.address, set())
        stored = _rows(tables)
        transaction.set_rollback(True)
    if response.status_code != 422:
        yield f"status {response.status_code}"
        return
    # A refused service may have written before: its transaction was rolled back.
    if stored != _rows(tables):
        yield f"stored in {tables}"
    html = response.content.decode()
    shown = [entry for entry in _fields_on(html) if entry["name"] == bad.field]
    named = [entry.get("aria-describedby", "") for entry in shown]
    errors = [name for each in named for name in each.split() if name.endswith("_error")]
    if not any(text for error in errors for text in texts(html, f"#{error}")):
        yield f"no sentence in {errors}"
    if bad.kind in (*_CHOICE, "file"):
        return
    if bad.value not in [entry.get("value") for entry in shown]:
        yield "the typed value is lost"


def _direct(world: ActionWorld) -> Iterator[BadInput]:
    known = {route.name: route for route in routes()}
    sources = TemplateDraft.objects.get().content["sources"]
    ids = world.ids | {"transition": "block", "token": world.ids["invitation"]}
    of_source = {"key": next(iter(sources))}
    for address, typed in DIRECT.items():
        chosen = ids | of_source if address == "onboarding:template-source" else ids
        params = {name: chosen[name] for name in known[address].params}
        [(field, value)] = typed.items()
        data = {"action": "publish"} if address == "onboarding:lab-change" else {}
        yield BadInput(address, reverse(address, kwargs=params), field, "text", value, data)


@pytest.mark.slow
def test_every_form_shows_its_refusals(
    make_tenant: MakeTenant, tmp_path: Path, settings: Any
) -> None:
    settings.FILES_DIR, settings.LAB_DIR = tmp_path, tmp_path / "lab"
    world = create_world(make_tenant)
    tried: set[tuple[str, str]] = set()
    faults: set[str] = set()
    for client in clients_of(world.people).values():
        for page in sorted(_pages(world)):
            with transaction.atomic():
                response = client.get(page)
                if response.streaming:
                    # The client closes the response at its end.
                    b"".join(response)
                transaction.set_rollback(True)
            if response.status_code != 200 or response.streaming:
                continue
            for bad in _bad_inputs(response.content.decode(), page, tried):
                if bad.field not in ACCEPTED.get(bad.address, ()):
                    faults |= {
                        f"{bad.address} {bad.field}: {each}" for each in _faults(bad, client)
                    }

    assert faults == set()
    buttons = {f"{app}:{name}" for app, names in WITHOUT_INPUT.items() for name in names.split()}
    with_input = {address for address, _ in tried}
    assert POSTED - with_input - DIRECT.keys() - _WITHOUT_WORLD == buttons
    assert with_input & DIRECT.keys() == set()


def test_forms_of_no_page_show_their_refusals(
    make_tenant: MakeTenant, tmp_path: Path, settings: Any
) -> None:
    settings.FILES_DIR, settings.LAB, settings.LAB_DIR = tmp_path, True, tmp_path / "lab"
    world = create_world(make_tenant)
    clients = clients_of(world.people) | {"visitor": Client()}

    faults = set()
    for bad in _direct(world):
        side = "visitor" if bad.address == "tenants:invitation" else "staff"
        closed_at = timezone.now() if bad.address == "onboarding:tenant-reopen" else None
        Tenant.objects.filter(pk=world.tenant.pk).update(closed_at=closed_at)
        faults |= {f"{bad.address} {bad.field}: {each}" for each in _faults(bad, clients[side])}

    assert sorted(faults) == []
