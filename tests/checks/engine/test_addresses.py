"""No query or probe uses an address outside the public internet."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from checks.engine.addresses import (
    address_text,
    is_public,
    may_probe,
    may_query,
    network_text,
    parse_address,
)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8%eth0",
        "2606:4700::1111%eth0",
        "2002:808:808::1%1",
        "::ffff:0:10.0.0.1",
        "::8.8.8.8",
        "2001:0:808:808::1",
        "2001:10::1",
        "fec0::1",
        "::ffff:127.0.0.1",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:c0a8:101::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
    ],
)
def test_private_address_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "11.0.0.1",
        "172.32.0.1",
        "100.128.0.1",
        "223.255.255.254",
        "2606:4700::1111",
        "2a00:1450::1",
        "::ffff:8.8.8.8",
        "2002:808:808::1",
        "64:ff9b::808:808",
    ],
)
def test_public_address_is_allowed(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "text", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.01", "localhost", ""]
)
def test_parse_address_refuses_other_spellings(text: str) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize(("port", "allowed"), [(25, True), (636, True), (22, False), (80, False)])
def test_public_address_ports_are_limited(port: int, allowed: bool) -> None:
    assert may_probe(ip_address("8.8.8.8"), port, ()) is allowed


def test_exception_allows_any_port() -> None:
    lab = (ip_network("127.53.0.0/24"),)

    answers = [
        may_probe(ip_address(address), 2525, lab)
        for address in ("127.53.0.1", "::ffff:127.53.0.1", "127.54.0.1", "::1")
    ]

    assert answers == [True, True, False, False]
    assert may_query(ip_address("127.53.0.1"), lab)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("::ffff:808:808", "::ffff:8.8.8.8"),
        ("::FFFF:8.8.8.8", "::ffff:8.8.8.8"),
        ("0:0:0:0:0:ffff:0:1", "::ffff:0.0.0.1"),
        ("64:ff9b::808:808", "64:ff9b::808:808"),
        ("2001:4860:0::8888", "2001:4860::8888"),
        ("8.8.8.8", "8.8.8.8"),
    ],
)
def test_address_text_is_equal_in_every_python(typed: str, text: str) -> None:
    """Python writes an IPv4-mapped address with dots from 3.13 on."""
    address = ip_address(typed)

    assert address_text(address) == text
    assert ip_address(text) == address


def test_text_of_network_and_of_no_address() -> None:
    assert network_text(ip_network("::ffff:808:0/112")) == "::ffff:8.8.0.0/112"
    assert network_text(ip_network("192.0.2.0/24")) == "192.0.2.0/24"
    assert address_text(None) == ""
