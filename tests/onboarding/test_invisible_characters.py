"""Pages, e-mails and exports show invisible characters of outside values."""

from __future__ import annotations

import io
import re
import sys
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import models, transaction
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from onboarding.collaboration import file_store
from onboarding.collaboration.contacts import fingerprint
from onboarding.lifecycle.closing_pack import build
from onboarding.lifecycle.exports import EXPORTED_MODELS
from onboarding.models import ClosingPack, Contact, RequirementsSheet, SheetRow
from onboarding.requirements.exports import as_csv, as_xlsx
from tenants.email import Email, render_email, send
from tenants.models import ActivityLine, Invitation, Tenant, User
from tenants.visible_text import as_typed, visible
from tests.access_matrix import routes
from tests.action_world import ActionWorld, create_world
from tests.actions import clients_of
from tests.factories import MakeTenant, SignIn

pytestmark = pytest.mark.django_db
HOSTILE = "\u202e\u2066\u0007\u200b\u2028\ufeff\u00ad"
# Columns that contain codes of Gangway, and values that are computed: hashes, tokens, paths.
_CODES = {
    "ActivityLine": {"action", "hash", "previous_hash", "scope"},
    "Check": {"expectation", "vantage", "claim_id"},
    "Phase": {"key"},
    "Task": {"key", "check_kinds", "manual_status", "role"},
    "SheetRow": {"key"},
    "RequirementsSheet": {"kind"},
    "Tenant": {"region", "time_zone"},
    "WorkingTime": {"time_zone"},
}
_CODES_EVERYWHERE = {
    *("public_id", "token_hash", "stored_as", "digest", "seal", "content_type", "key"),
    *("kind", "state", "site_url", "findings", "definition"),
}


def _text_columns(model: type[Model]) -> Iterator[str]:
    codes = _CODES.get(model.__name__, set()) | _CODES_EVERYWHERE
    for field in model._meta.concrete_fields:
        is_text = isinstance(field, models.CharField | models.TextField) and not field.choices
        if is_text and field.name not in codes:
            yield field.name


def _poison(world: ActionWorld) -> set[str]:
    """Append the characters to every text of the tenant and its people. Returns the columns."""
    poisoned = set()
    tables: list[tuple[type[Model], str]] = [
        *EXPORTED_MODELS.values(),
        (User, "memberships__tenant"),
    ]
    for model, path in tables:
        if model is ActivityLine:
            continue  # append-only
        for column in _text_columns(model):
            for row in model._base_manager.filter(**{path: world.tenant.pk}).distinct():
                limit = getattr(model._meta.get_field(column), "max_length", None) or 10_000
                text = getattr(row, column) or "x"
                text = f"{HOSTILE}{text}"[:limit]
                model._base_manager.filter(pk=row.pk).update(**{column: text})
                poisoned.add(f"{model.__name__}.{column}")
    return poisoned


def _pages(world: ActionWorld) -> Iterator[str]:
    for route in routes():
        if set(route.params) <= set(world.ids) and route.name.startswith("onboarding:"):
            ids = {**world.ids, **world.ids_by_name.get(route.name, {})}
            yield reverse(route.name, kwargs={name: ids[name] for name in route.params})


def _assert_visible(text: str) -> None:
    assert "[U+202E][U+2066][U+0007][U+200B]" in text
    assert [char for char in HOSTILE if char in text.removeprefix("\ufeff")] == []


@pytest.mark.slow
def test_every_page_shows_them(make_tenant: MakeTenant, tmp_path: Path, settings: Any) -> None:
    settings.FILES_DIR = tmp_path
    world = create_world(make_tenant)
    poisoned = _poison(world)
    shown, hidden = set(), set()
    for client in clients_of(world.people).values():
        for url in sorted(set(_pages(world))):
            response: Any = client.get(url)
            text = (b"".join(response) if response.streaming else response.content).decode(
                "utf-8", "replace"
            )
            assert response.status_code != 500, (url, response.exc_info)
            header = response.get("Content-Disposition", "")
            assert not any(char in header for char in HOSTILE), url
            if "zip" not in response.get("Content-Type", "") and response.status_code == 200:
                shown |= {url} if "[U+202E]" in text else set()
                hidden |= {url for char in HOSTILE if char in text.removeprefix("\ufeff")}
    assert hidden == set()
    assert (len(poisoned) > 40, len(shown) > 40) == (True, True)


@pytest.fixture
def poisoned_sheet(tenant: Tenant) -> RequirementsSheet:
    sheet = RequirementsSheet.objects.get(task__plan__tenant=tenant, kind="forwarding")
    SheetRow.objects.create(
        sheet=sheet, position=1, key="a", values={"target": f"{HOSTILE}a@outside.test"}
    )
    return sheet


@pytest.mark.parametrize("is_full", [True, False])
def test_exports_show_them(poisoned_sheet: RequirementsSheet, is_full: bool) -> None:
    workbook = zipfile.ZipFile(io.BytesIO(as_xlsx(poisoned_sheet, is_full=is_full)))

    _assert_visible(as_csv(poisoned_sheet, is_full=is_full).decode())
    _assert_visible(workbook.read("xl/worksheets/sheet1.xml").decode())


def test_closing_pack_shows_them(
    tenant: Tenant, poisoned_sheet: RequirementsSheet, settings: Any, tmp_path: Path
) -> None:
    settings.FILES_DIR = tmp_path
    Tenant.objects.filter(pk=tenant.pk).update(name=f"{HOSTILE}Northwind")
    pack = ClosingPack.objects.create(tenant=Tenant.objects.get(pk=tenant.pk))
    with transaction.atomic():
        build.build_closing_pack(pack)
    pack.refresh_from_db()

    with zipfile.ZipFile(file_store.path_of(pack.stored_as)) as archive:
        _assert_visible(archive.read("index.html").decode())


@pytest.mark.parametrize("composed", [True, False])
def test_emails_show_them(tenant: Tenant, mailoutbox: list[EmailMessage], composed: bool) -> None:
    text = f"{HOSTILE}Northwind"
    if composed:
        email = Email("ann@northwind.test", text, text, f"<p>{text}</p>")
    else:
        invited = Invitation(tenant=Tenant(name=text), invited_by=User(name=text), email="a@b.test")
        invited.expires_at = timezone.now()
        context = {"invitation": invited, "link": "https://gangway.test/"}
        email = render_email("ann@northwind.test", "invitation", context)
    send(email, message_id="<1@gangway.test>")

    [mail] = mailoutbox
    parts = [mail.body, *(content for content, _ in getattr(mail, "alternatives", []))]
    for part in (mail.subject, *parts):
        _assert_visible(str(part))


def test_saving_a_form_keeps_them(tenant: Tenant, owner: User, signed_in: SignIn) -> None:
    name = f"{HOSTILE}Di"
    contact = Contact.objects.create(tenant=tenant, role="dns", name=name, email="di@host.test")
    url = reverse("onboarding:contact-change", args=[tenant.public_id, contact.public_id])
    version = {"expected_version": fingerprint(contact)}
    shown = {
        "role": "dns",
        "name": visible(name),
        "email": "di@host.test",
        "availability": "[U+0041]",
    }

    response = signed_in(owner).post(url, {**shown, "phone": "+44 20", **version})

    contact.refresh_from_db()
    assert response.status_code == 302
    assert (contact.name, contact.phone, contact.availability) == (name, "+44 20", "[U+0041]")


def test_two_modules_send_emails() -> None:
    """Both make the characters visible. Another module uses one of them."""
    created = {
        file.relative_to(settings.BASE_DIR).as_posix()
        for app in ("checks", "config", "onboarding", "tenants")
        for file in (settings.BASE_DIR / app).rglob("*.py")
        if re.search(r"\b(EmailMessage|EmailMultiAlternatives|send_mail)\(\w", file.read_text())
    }

    assert created == {"tenants/email.py", "tenants/accounts.py"}


# --- The characters


def test_every_invisible_character_is_shown() -> None:
    # Signs of Arabic, Syriac and Kaithi that have a shape.
    have_a_shape = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")
    have_a_shape |= {"\U000110bd", "\U000110cd"}

    hidden = {
        char
        for char in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") and visible(char) == char
    }

    assert hidden == {"\t", "\n", "\r", *have_a_shape}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("exe\u202etxt", "exe[U+202E]txt"),
        ("pay\u200bpal", "pay[U+200B]pal"),
        ("a\u200db", "a[U+200D]b"),
        ("\u200d", "[U+200D]"),
        ("Größe, 東京, עברית, العربية", "Größe, 東京, עברית, العربية"),
        (
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        ),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\U000e0041", "[U+E0041]"),
    ],
)
def test_letters_and_emoji_are_unchanged(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(HOSTILE))))
def test_notation_is_reversible(text: str) -> None:
    typed = text.replace("\0", "").replace("[", "(")

    assert as_typed(visible(typed)) == typed


@pytest.mark.parametrize("text", ["[U+0000]", "[U+0041]", "[U+202E", "[U+FFFFFF]", "[u+202e]"])
def test_other_notation_is_unchanged(text: str) -> None:
    assert as_typed(text) == text
