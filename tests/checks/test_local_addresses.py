"""Hosts with an address of a private network are refused, except those of the operator."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from checks.local_addresses import local_address_refusal

SENTENCE = (
    "{} is an address of a private network, which Mimecast and Gangway cannot reach."
    " Enter the public name or address of the host."
)


@pytest.mark.parametrize(
    "name",
    ["10.0.0.5", "172.16.9.1", "192.168.1.2", "127.0.0.1", "169.254.169.254", "fd00::1", "::1"],
)
def test_private_address_is_refused(settings: Any, name: str) -> None:
    settings.CHECKS_ALLOWED_NETWORKS = []

    assert local_address_refusal(name) == SENTENCE.format(name)


@pytest.mark.parametrize("name", ["mail.example.com", "8.8.8.8", "2a00:1450:4009::1b"])
def test_name_and_public_address_are_accepted(settings: Any, name: str) -> None:
    settings.CHECKS_ALLOWED_NETWORKS = []

    assert local_address_refusal(name) == ""


def test_operators_exception_is_accepted(settings: Any) -> None:
    settings.CHECKS_ALLOWED_NETWORKS = [ip_network("10.213.0.0/16")]

    assert local_address_refusal("10.213.0.9") == ""
    assert local_address_refusal("10.0.0.9") == SENTENCE.format("10.0.0.9")
