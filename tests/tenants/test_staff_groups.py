"""Groups of the OpenID provider: what a claim contains, and the role that it gives."""

from __future__ import annotations

from typing import Any

import pytest

from tenants import staff_groups

ROLES = {"gw=admins": "administrator", "gw-team": "consultant", "gw-all": "manager"}


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"groups": ["a", "b"]}, ["a", "b"]),
        ({"groups": "a"}, ["a"]),
        ({"groups": []}, []),
        ({}, []),
        ({"groups": None}, []),
        ({"groups": {"a": 1}}, []),
        ({"groups": ["a", 7, None]}, ["a"]),
        ({"_claim_names": {"address": "src1"}, "groups": ["a"]}, ["a"]),
    ],
)
def test_groups_in_claims(claims: dict[str, Any], groups: list[str]) -> None:
    assert staff_groups.groups_in(claims) == groups


def test_reference_to_groups_is_unknown() -> None:
    with pytest.raises(staff_groups.UnknownGroupsError):
        staff_groups.groups_in({"_claim_names": {"groups": "src1"}})


def test_claim_has_the_configured_name(settings: Any) -> None:
    settings.OIDC_GROUPS_CLAIM = "roles"

    assert staff_groups.groups_in({"roles": ["a"], "groups": ["b"]}) == ["a"]


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["gw-all", "gw-team"], "consultant"),
        (["gw=admins"], "administrator"),
        (["GW-TEAM"], ""),
        (["gw"], ""),
        ([], ""),
    ],
)
def test_first_group_of_the_setting_decides(settings: Any, groups: list[str], role: str) -> None:
    settings.OIDC_GROUP_ROLES = ROLES

    assert staff_groups.role_of(groups) == role
