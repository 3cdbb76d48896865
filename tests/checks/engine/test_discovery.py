"""DNS discovery: suggestions, and answers that must not become suggestions."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine import discovery
from checks.engine.discovery import DiscoveryResult, SpfSender
from checks.engine.known_providers import PLATFORMS, dns_provider, match_suffix
from checks.engine.mail import dmarc
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.mail.test_dkim import GOOD

SPF = "v=spf1 include:spf.protection.outlook.com include:sendgrid.net ip4:198.51.100.7 -all"
MICROSOFT = f"""
example.test MX 10 example-test.mail.protection.outlook.com
example.test TXT "{SPF}"
spf.protection.outlook.com TXT "v=spf1 ip4:198.51.100.0/24 -all"
sendgrid.net TXT "v=spf1 ip4:198.51.100.0/24 -all"
selector1._domainkey.example.test CNAME selector1-example-test._domainkey.contoso.onmicrosoft.com
selector1-example-test._domainkey.contoso.onmicrosoft.com TXT "{GOOD}"
google._domainkey.example.test TXT "v=DKIM1; p="
_dmarc.example.test TXT "v=DMARC1; p=reject"
_mta-sts.example.test TXT "v=STSv1; id=1"
"""


def discover(zone: str) -> DiscoveryResult:
    return asyncio.run(discovery.inspect("example.test", ZoneLookup(zone)))


def test_discovery_of_microsoft_tenant() -> None:
    found = discover(MICROSOFT)

    assert found == DiscoveryResult(
        domain="example.test",
        platform="microsoft_365",
        delivery_host="example-test.mail.protection.outlook.com",
        onmicrosoft="contoso.onmicrosoft.com",
        mx=("example-test.mail.protection.outlook.com",),
        mx_ttl=300,
        senders=(
            SpfSender("include:spf.protection.outlook.com", "Microsoft 365"),
            SpfSender("include:sendgrid.net", "SendGrid"),
            SpfSender("ip4:198.51.100.7"),
        ),
        spf_lookups=2,
        dkim_selectors=("selector1",),
        dmarc="v=DMARC1; p=reject",
        dmarc_policy="reject",
        dmarc_domain="example.test",
        mta_sts=True,
        name_servers=("ns1.dns.test",),
    )


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("", False),
        ("example.test A 192.0.2.1", True),
        ("example.test AAAA 2001:db8::1", True),
        ("example.test A 192.0.2.1\nexample.test MX 10 mx.test", False),
        # A null MX (RFC 7505): the domain receives no mail.
        ("example.test A 192.0.2.1\nexample.test MX 0 .", False),
    ],
)
def test_address_receives_mail_without_mx(zone: str, expected: bool) -> None:
    assert discover(zone).may_receive_at_address is expected


ABOVE = '_dmarc.example.test TXT "v=DMARC1; p=none; sp=quarantine; np=reject"'


@pytest.mark.parametrize(
    ("domain", "zone", "policy"),
    [
        ("a.b.example.test", ABOVE, ("quarantine", "example.test")),
        ("a.b.example.test", ABOVE + '\n_dmarc.b.example.test TXT "v=DMARC1; p=reject; psd=n"',
         ("reject", "b.example.test")),
        ("b.example.test", ABOVE + '\n_dmarc.b.example.test TXT "v=DMARC1; p=none"',
         ("none", "b.example.test")),
        ("b.example.test", ABOVE + '\n_dmarc.b.example.test TXT "v=DMARC1; p=x"',
         ("quarantine", "example.test")),
        ("b.example.test", '_dmarc.b.example.test TXT "v=DMARC1; p=reject; t=y; fo"',
         ("reject", "b.example.test")),
        ("example.test", '_dmarc.test TXT "v=DMARC1; p=reject; psd=y"', ("reject", "test")),
        ("example.test", '_dmarc.example.test TXT "v=DMARC1; p=x"', ("", "")),
        ("example.test", "", ("", "")),
    ],
)  # fmt: skip
def test_discovered_dmarc_is_as_checked(domain: str, zone: str, policy: tuple[str, str]) -> None:
    # The name exists, so that the check does not end at its delegation.
    world = f"{zone}\n{domain} MX 10 mail.test"

    found = asyncio.run(discovery.inspect(domain, ZoneLookup(world)))
    checked = asyncio.run(dmarc.inspect(domain, ZoneLookup(world)))

    assert (found.dmarc_policy, found.dmarc_domain) == policy
    old, new = checked.evidence["rfc7489"], checked.evidence["rfc9989"]
    assert policy in [(each["policy"], each["domain"]) for each in (old, new)]


def test_discovered_dmarc_needs_every_answer() -> None:
    found = asyncio.run(
        discovery.inspect("a.example.test", ZoneLookup("_dmarc.example.test TROUBLE timeout"))
    )

    assert (found.dmarc_policy, found.unanswered) == ("", ("dmarc",))


@pytest.mark.parametrize(
    ("zone", "platform", "gateway"),
    [
        ("example.test MX 1 smtp.google.com", "google_workspace", ""),
        ("example.test MX 1 mail.example.test", "on_premises", ""),
        ("example.test MX 1 mail.other.example", "", ""),
        ("example.test MX 1 mail.protection.outlook.com.example.net", "", ""),
        ("example.test MX 0 .", "", ""),
        ("example.test A 198.51.100.1", "", ""),
        (
            "example.test MX 1 mx1.eu.pphosted.com\n"
            'example.test TXT "v=spf1 include:_spf.google.com -all"',
            "google_workspace",
            "Proofpoint",
        ),
    ],
)
def test_discovery_guesses_platform(zone: str, platform: str, gateway: str) -> None:
    found = discover(zone)

    assert (found.platform, found.gateway) == (platform, gateway)


def test_discovery_ignores_wildcard_keys() -> None:
    unused_name = "gangway-unused-selector._domainkey.example.test"

    found = discover(f'{unused_name} TXT "{GOOD}"\nselector1._domainkey.example.test TXT "{GOOD}"')

    assert found.dkim_selectors == ()


def test_discovery_lists_unanswered() -> None:
    zone = "_dmarc.example.test TROUBLE timeout\n_mta-sts.example.test TROUBLE servfail"

    assert discover(zone).unanswered == ("dmarc", "mta_sts")


@pytest.mark.parametrize(
    ("server", "host"),
    [
        ("ada.ns.cloudflare.com", "Cloudflare"),
        ("ns-1536.awsdns-00.co.uk", "Amazon Route 53"),
        ("ns1-07.azure-dns.com", "Azure DNS"),
        ("cloudflare.com.example.net", ""),
        ("notcloudflare.com", ""),
    ],
)
def test_dns_host_by_name_server(server: str, host: str) -> None:
    assert dns_provider(server) == host


@given(st.text())
def test_match_suffix_never_raises(text: str) -> None:
    assert match_suffix(text, PLATFORMS) in ("", *PLATFORMS.values())
    assert isinstance(dns_provider(text), str)
