"""The suggestions for a new profile: only from evidence, and each with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from checks.engine.discovery import DiscoveryResult, SpfSender
from onboarding.lifecycle.country_zones import zone_of
from onboarding.lifecycle.new_profile_suggestions import suggest_profile

M365 = {
    "platform": "microsoft_365",
    "delivery_host": "client-example.mail.protection.outlook.com",
    "mx": ("client-example.mail.protection.outlook.com",),
    "mx_ttl": 3600,
}


def _found(**results: dict[str, Any] | None) -> dict[str, Any]:
    """By name: the stored result. An underscore of a key is a dot of its name."""
    named = {key.replace("_", "."): values for key, values in results.items()}
    return {
        name: None if values is None else DiscoveryResult(name, **values).as_data()
        for name, values in named.items()
    }


def _suggest(**results: dict[str, Any] | None) -> Any:
    found = _found(**results)
    return suggest_profile(list(found), found)


def _field(name: str, **results: dict[str, Any] | None) -> tuple[Any, str]:
    suggestion = _suggest(**results).fields[name]
    return suggestion.value, suggestion.confidence.value


GATEWAY = M365 | {"gateway": "Proofpoint", "mx": ("mx1.pphosted.com",), "delivery_host": ""}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ({"a_example": M365}, ("microsoft_365", "high")),
        ({"a_example": GATEWAY}, ("microsoft_365", "medium")),
        ({"a_example": {"platform": "on_premises"}}, ("on_premises", "medium")),
        (
            {"a_example": M365, "b_example": M365, "c_example": {"platform": "google_workspace"}},
            ("microsoft_365", "medium"),
        ),
        ({"a_example": M365, "b_example": {}}, ("microsoft_365", "high")),
        ({"a_example": {}}, ("", "none")),
        ({"a_example": None}, ("", "none")),
    ],
)
def test_platform(results: dict[str, Any], expected: tuple[str, str]) -> None:
    assert _field("platform", **results) == expected


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("microsoft_365", ("entra_id", "low")),
        ("google_workspace", ("google", "low")),
        ("on_premises", ("", "none")),
        ("", ("", "none")),
    ],
)
def test_directory(platform: str, expected: tuple[str, str]) -> None:
    assert _field("directory_method", a_example={"platform": platform}) == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"mx": ("us-smtp-inbound-1.mimecast.com",)}, ("us", "high")),
        ({"senders": (SpfSender("include:de._netblocks.mimecast.com"),)}, ("de", "medium")),
        ({"mx": ("us-smtp-inbound-1.mimecast.com.example.net",)}, ("", "none")),
        ({"senders": (SpfSender("include:spf.protection.outlook.com"),)}, ("", "none")),
    ],
)
def test_region(result: dict[str, Any], expected: tuple[str, str]) -> None:
    assert _field("region", a_example=result) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["client.de"], ("Europe/Berlin", "none")),
        (["client.co.uk", "client.com"], ("Europe/London", "low")),
        (["client.fr", "client.com", "andere.fr"], ("Europe/Paris", "low")),
        (["client.co.uk", "client.fr"], ("", "none")),
        (["client.us"], ("", "none")),
        (["client.com"], ("", "none")),
    ],
)
def test_time_zone(names: list[str], expected: tuple[str, str]) -> None:
    suggestion = suggest_profile(names, dict.fromkeys(names)).fields["time_zone"]

    # Germany has a second zone, Busingen.
    assert (suggestion.value, suggestion.confidence.value) == (
        expected if names != ["client.de"] else ("", "none")
    )


@pytest.mark.parametrize(
    "ending",
    [
        "ac",
        "ag",
        "ai",
        "bz",
        "cc",
        "co",
        "fm",
        "gg",
        "im",
        "io",
        "la",
        "ly",
        "me",
        "nu",
        "sc",
        "sh",
        "so",
        "st",
        "to",
        "tv",
        "vc",
        "ws",
        "IO",
    ],
)
def test_no_zone_of_an_ending_that_is_sold_worldwide(ending: str) -> None:
    assert zone_of(f"client.{ending}") == ""
    assert _suggested_zone("client.fr", f"client.{ending}") == ("Europe/Paris", "low")


def _suggested_zone(*names: str) -> tuple[str, str]:
    suggestion = suggest_profile(names, dict.fromkeys(names)).fields["time_zone"]
    return suggestion.value, suggestion.confidence.value


def test_no_zone_of_a_country_with_several() -> None:
    assert [zone_of(name) for name in ("a.uk", "a.us", "a.com", "a.invalid")] == [
        "Europe/London",
        "",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("result", "role"),
    [
        (M365, "secondary"),
        ({"senders": (SpfSender("ip4:192.0.2.1"),)}, "send_only"),
        ({}, "parked"),
        ({"may_receive_at_address": True}, "secondary"),
        (
            {"may_receive_at_address": True, "senders": (SpfSender("ip4:192.0.2.1"),)},
            "secondary",
        ),
        ({"unanswered": ("mx",)}, "secondary"),
        ({"unanswered": ("spf",)}, "send_only"),
        (None, "secondary"),
    ],
)
def test_role_of_a_further_domain(result: dict[str, Any] | None, role: str) -> None:
    rows = _suggest(first_example={}, other_example=result).domains

    assert [(row.name, row.role) for row in rows] == [
        ("first.example", "primary"),
        ("other.example", role),
    ]


def test_routing_domain_is_added_once() -> None:
    with_name = M365 | {"onmicrosoft": "client.onmicrosoft.com"}

    rows = _suggest(a_example=with_name, b_example=with_name).domains

    assert [(row.name, row.role) for row in rows][2:] == [("client.onmicrosoft.com", "routing")]


def test_routing_name_is_never_primary() -> None:
    names = ["client.onmicrosoft.com", "client.example"]

    rows = suggest_profile(names, dict.fromkeys(names)).domains

    assert [row.role for row in rows] == ["routing", "primary"]


@pytest.mark.parametrize(("ttl", "original"), [(3600, None), (86_400, None), (172_800, 172_800)])
def test_only_a_long_ttl_is_entered(ttl: int, original: int | None) -> None:
    (row,) = _suggest(a_example=M365 | {"mx_ttl": ttl}).domains

    assert row.original_mx_ttl_seconds == original


def test_delivery_host_is_entered_once() -> None:
    assert _suggest(a_example=M365, b_example=M365).hosts == [
        {"purpose": "delivery", "name": M365["delivery_host"], "port": 25}
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wingtip-toys.com", "Wingtip Toys"),
        ("mail.client.co.uk", "Client"),
        ("xn--bcher-kva.de", ""),
    ],
)
def test_company_name(name: str, expected: str) -> None:
    assert suggest_profile([name], {name: None}).fields["name"].value == expected


def test_dkim_without_keys_is_no_evidence() -> None:
    assert _field("dkim_in_use", a_example={}) == (False, "none")
    assert _field("dkim_in_use", a_example={"dkim_selectors": ("selector1",)}) == (True, "high")


def test_silent_domain_is_a_caution() -> None:
    (sentence,) = _suggest(a_example=M365, b_example=None).cautions

    assert sentence.startswith("b.example: no name server gave a reliable answer.")


def test_policy_is_a_caution() -> None:
    (sentence,) = _suggest(a_example=M365 | {"mta_sts": True}).cautions

    assert sentence.startswith("a.example: an MTA-STS policy is published.")
