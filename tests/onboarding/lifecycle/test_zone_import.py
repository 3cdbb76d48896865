"""Domains of a zone file: new rows of the profile page, and the same result through the API."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from onboarding.lifecycle import zone_import
from tenants.models import Domain, Tenant, User
from tests.api.clients import client_for
from tests.factories import SignIn

ZONE = """
@ MX 10 mail
sales MX 10 mail
news TXT "v=spf1 include:sender.test -all"
parked TXT "v=spf1 -all"
"""
FOUND = {
    "sales.northwind.test": "secondary",
    "news.northwind.test": "send_only",
    "parked.northwind.test": "parked",
}


def _post(client: Any, tenant: Tenant, **data: Any) -> Any:
    address = reverse("onboarding:zone-file", args=[tenant.public_id])
    return client.post(address, {"origin": "northwind.test", "text": "", **data})


def _new_rows(html: str) -> dict[str, str]:
    """The name and the role of each row after the stored ones."""
    rows = re.split(r'name="domains-(\d+)-name"', html)[1:]
    found = {}
    for text in rows[1::2]:
        name = re.search(r'^[^>]*value="([^"]+)"', text)
        role = re.search(r'<option value="(\w+)" selected', text)
        if name and role:
            found[name[1]] = role[1]
    return found


@pytest.mark.parametrize(
    "content",
    [
        {"text": ZONE},
        {"file": SimpleUploadedFile("zone.txt", ZONE.encode())},
        {"file": SimpleUploadedFile("zone.txt", ZONE.encode("utf-16"))},
        {"file": SimpleUploadedFile("zone.txt", b"\xef\xbb\xbf" + ZONE.encode())},
    ],
    ids=["text", "utf-8", "utf-16", "bom"],
)
def test_found_domains_are_new_rows(
    tenant: Tenant, consultant: User, signed_in: SignIn, content: dict[str, Any]
) -> None:
    for file in content.values():
        if hasattr(file, "seek"):
            file.seek(0)

    response = _post(signed_in(consultant), tenant, **content)

    html = response.content.decode()
    assert response.status_code == 200
    assert "3 domains found in the zone file." in html
    assert {k: v for k, v in _new_rows(html).items() if k != "northwind.test"} == FOUND
    assert tenant.domains.count() == 1


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (ZONE, ""),
        (f"$INCLUDE other.db\n{ZONE}", "1"),
        ("$GENERATE 1-2 a$ MX 10 b\n" * 2 + ZONE, "1, 2"),
    ],
)
def test_unread_lines_are_named(
    tenant: Tenant, consultant: User, signed_in: SignIn, text: str, lines: str
) -> None:
    html = _post(signed_in(consultant), tenant, text=text).content.decode()

    assert ("Records of $INCLUDE and $GENERATE are missing." in html) is bool(lines)
    assert f"Lines not read: {lines}." in html or not lines


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("$ORIGIN other.test.\n@ MX 10 mail", "Line 2: other.test is outside the zone"),
        ("client.co.uk MX 10 mail", "Line 1: a name without final dot was read below the domain"),
        ("a CNAME b.test.\na MX 10 mail", "Lines 1, 2: a.northwind.test has an alias (CNAME)"),
        ("x 300 IN MXX 10 mail.b.test.", "Line 1: MXX is no record type"),
        ("x MX 10 mail.example.com", "Line 1: mail.example.com has no final dot"),
    ],
)
@pytest.mark.parametrize("more", ["", ZONE], ids=["nothing-found", "found"])
def test_prominent_notes_are_shown(
    tenant: Tenant, consultant: User, signed_in: SignIn, text: str, note: str, more: str
) -> None:
    """Without a new domain, the form shows them too."""
    response = _post(signed_in(consultant), tenant, text=f"{text}\n$ORIGIN northwind.test.\n{more}")

    shown = " ".join(response.content.decode().split())
    assert note in shown
    assert "client.co.uk.northwind.test" not in _new_rows(shown)


def test_page_saves_the_new_rows(tenant: Tenant, consultant: User, signed_in: SignIn) -> None:
    client = signed_in(consultant)
    html = _post(client, tenant, text=ZONE).content.decode()
    form = html[html.index(f'action="/t/{tenant.public_id}/profile/"') :]
    form = form[: form.index("</form>")]
    data = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form))
    for name, body in re.findall(r'<select[^>]*name="([^"]+)"(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', body)
        data[name] = chosen[1] if chosen else ""
    data = {name: value for name, value in data.items() if "__prefix__" not in name}

    response = client.post(reverse("onboarding:profile-edit", args=[tenant.public_id]), data)

    assert response.status_code == 302, response.content.decode()
    stored = dict(Domain.objects.filter(tenant=tenant).values_list("name", "role"))
    assert stored == {"northwind.test": "primary"} | FOUND


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "Paste the zone file, or upload it."),
        ({"text": "@ MX 10 mail"}, "The zone file has no further domain with MX or SPF records."),
        ({"text": "$INCLUDE other.db"}, "Lines not read: 1."),
        ({"text": "x MX ten mail"}, "The zone file cannot be read: "),
        ({"text": ZONE, "origin": "no domain"}, "contains a space"),
        (
            {"text": ZONE, "file": SimpleUploadedFile("zone.txt", b"x")},
            "Paste the zone file or upload it, not both.",
        ),
    ],
)
def test_bad_input_is_a_sentence(
    tenant: Tenant, consultant: User, signed_in: SignIn, data: dict[str, Any], sentence: str
) -> None:
    response = _post(signed_in(consultant), tenant, **data)

    errors = [text for found in response.context["form"].errors.values() for text in found]
    assert response.status_code == 422
    assert any(sentence in text for text in errors), errors


def test_too_many_domains_are_refused(
    tenant: Tenant, consultant: User, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zone_import, "MOST_DOMAINS", 3)

    response = _post(signed_in(consultant), tenant, text=ZONE)

    assert response.status_code == 422
    assert "A tenant has at most 3 domains" in response.content.decode()


def test_api_finds_the_same_domains(tenant: Tenant, consultant: User) -> None:
    api, address = client_for(consultant), f"tenants/{tenant.public_id}/zone-file/"

    found = api.post(address, {"zone": ZONE, "origin": "northwind.test"})
    noted = api.post(address, {"zone": f"{ZONE}\na.com. MX 10 b.", "origin": "northwind.test"})
    wrong = api.post(address, {"zone": "x MX ten mail", "origin": "northwind.test"})

    assert found.status_code == 200
    assert {each["name"]: each["role"] for each in found.json()["domains"]} == FOUND
    assert found.json()["notes"] == []
    assert noted.json()["notes"] == [{"code": "outside", "lines": [7], "names": ["a.com"]}]
    assert (wrong.status_code, list(wrong.json()["errors"])) == (422, ["zone"])
