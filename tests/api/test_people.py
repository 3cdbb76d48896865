"""People, proposed values and closing packs through the API: versions, rules and pages of lists."""

from __future__ import annotations

from typing import Any

import pytest

from onboarding.lifecycle.closing_pack import build
from onboarding.models import ClosingPack
from tenants.models import Host, Membership, Tenant, User
from tests.api.clients import ApiClient, client_for
from tests.closings import closed_implementation


def test_closing_pack_is_built_and_read(
    api: ApiClient,
    tenant: Tenant,
    owner: User,
    consultant: User,
    tmp_path: Any,
    settings: Any,
) -> None:
    settings.FILES_DIR = tmp_path
    closed_implementation(tenant, owner, consultant)
    base = f"tenants/{tenant.public_id}/closing-packs/"

    made = api.post(base)
    build.build_closing_pack(ClosingPack.objects.get(public_id=made.json()["id"]))
    content = api.get(f"{base}{made.json()['id']}/content/")

    assert (made.status_code, made.json()["ready_at"]) == (202, None)
    assert b"".join(content).startswith(b"PK")
    assert api.get(base).json()["results"][0]["seal"]


def test_role_needs_the_current_version(
    consultant: User, tenant: Tenant, owner: User, member: User
) -> None:
    api = client_for(consultant, "administer")
    path = f"tenants/{tenant.public_id}/people/{member.public_id}/"
    read = api.get(path)
    without = api.patch(path, {"role": "owner"})
    changed = api.patch(path, {"role": "owner"}, If_Match=read["ETag"])
    outdated = api.patch(path, {"role": "viewer"}, If_Match=read["ETag"])

    assert [without.status_code, changed.status_code, outdated.status_code] == [428, 200, 412]
    assert outdated.json()["current"]["role"] == "owner"
    assert Membership.objects.get(user=member).role == "owner"


def test_last_owner_has_the_sentence_of_the_page(tenant: Tenant, owner: User) -> None:
    client = client_for(owner, "administer")
    path = f"tenants/{tenant.public_id}/people/{owner.public_id}/"

    refused = client.delete(path, If_Match="*")

    assert (refused.status_code, refused.json()["detail"]) == (
        422,
        "A tenant needs at least one owner. Make another person an owner first.",
    )


def test_people_are_listed_in_pages(
    api: ApiClient, tenant: Tenant, owner: User, member: User, viewer: User
) -> None:
    first = api.get(f"tenants/{tenant.public_id}/people/?page_size=2").json()
    second = api.get(first["next"].partition("testserver")[2]).json()

    found = [each["name"] for page in (first, second) for each in page["results"]]
    assert found == sorted(person.name for person in (owner, member, viewer))


def test_person_is_activated_again(administrator: User, consultant: User) -> None:
    api, token = client_for(administrator, "administer"), client_for(consultant)
    path = f"staff/{consultant.public_id}/"

    without = api.post(f"{path}deactivate/")
    ended = api.post(f"{path}deactivate/", If_Match=api.get(path)["ETag"])
    refused = token.get("me/")
    outdated = api.post(f"{path}activate/", If_Match='"other"')
    back = api.post(f"{path}activate/", If_Match=ended["ETag"]).json()

    assert (without.status_code, outdated.status_code) == (428, 412)
    assert outdated.json()["current"]["is_active"] is False
    assert (ended.json()["is_active"], refused.status_code, back["is_active"]) == (False, 401, True)
    assert token.get("me/").status_code == 200


def test_administrator_cannot_end_the_own_access(administrator: User) -> None:
    api = client_for(administrator, "administer")

    refused = api.post(f"staff/{administrator.public_id}/deactivate/", If_Match="*")

    assert refused.json()["detail"] == "Another administrator must change your role or access."


def test_client_proposes_and_consultant_decides(
    api: ApiClient, tenant: Tenant, member: User
) -> None:
    path = f"tenants/{tenant.public_id}/domains/{tenant.domains.get().public_id}/values/dkim/"
    client = client_for(member)
    read = client.get(path)
    body = {"values": {"dkim_selectors": "mimecast2026"}}
    proposed = client.post(path, body, If_Match=read["ETag"])
    refused = client.post(f"{path}confirm/", {}, If_Match=proposed["ETag"])
    outdated = api.post(f"{path}confirm/", {}, If_Match=read["ETag"])
    confirmed = api.post(f"{path}confirm/", {}, If_Match=proposed["ETag"])

    assert proposed.json()["proposed"]["values"] == {"dkim_selectors": "mimecast2026"}
    assert [refused.status_code, outdated.status_code, confirmed.status_code] == [403, 412, 200]
    assert tenant.domains.get().dkim_selectors == "mimecast2026"


def test_unknown_value_is_rejected_by_name(api: ApiClient, tenant: Tenant) -> None:
    path = f"tenants/{tenant.public_id}/domains/{tenant.domains.get().public_id}/values/"

    unknown = api.post(f"{path}dkim/", {"values": {"name": "evil.test"}}, If_Match="*")

    assert unknown.json()["errors"] == {"values.name": ["Unknown field."]}
    assert api.get(f"{path}spf/").status_code == 404


@pytest.mark.parametrize("action", ["confirm", "reject"])
def test_decision_about_a_host_needs_its_version(
    api: ApiClient, tenant: Tenant, member: User, action: str
) -> None:
    base, body = (
        f"tenants/{tenant.public_id}/",
        {"reason": "Retired."} if action == "reject" else {},
    )
    made = client_for(member).post(f"{base}proposed-hosts/", {"name": "mail9.one.test", "port": 25})
    path = f"{base}hosts/{made.json()['id']}/"
    read = api.get(path)["ETag"]
    Host.objects.filter(public_id=made.json()["id"]).update(recipient="new@one.test")

    without = api.post(f"{path}{action}/", body)
    outdated = api.post(f"{path}{action}/", body, If_Match=read)
    decided = api.post(f"{path}{action}/", body, If_Match=outdated["ETag"])

    assert (without.status_code, outdated.status_code) == (428, 412)
    assert outdated.json()["current"]["recipient"] == "new@one.test"
    assert decided.status_code in (200, 204)
