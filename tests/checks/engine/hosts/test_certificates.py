"""Certificates: names match as a whole, and any bytes parse to a certificate or None."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.hosts.certificates import Certificate, matches, parse

NOW = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("names", "host", "matched"),
    [
        (("mail.example.test",), "MAIL.example.test.", True),
        (("*.example.test",), "mail.example.test", True),
        (("*.example.test",), "a.mail.example.test", False),
        (("*.example.test",), "example.test", False),
        (("m*.example.test",), "mail.example.test", False),
        (("192.0.2.1",), "192.0.2.1", True),
        (("*.0.2.1",), "192.0.2.1", False),
        (("mail.example.test.example.net",), "mail.example.test", False),
        ((), "mail.example.test", False),
    ],
)
def test_certificate_matches_its_names_only(
    names: tuple[str, ...], host: str, matched: bool
) -> None:
    certificate = Certificate("CN=a", "CN=b", names, NOW, NOW, "")

    assert matches(certificate, host) is matched


@given(st.binary(max_size=400))
def test_parse_certificate_never_raises(content: bytes) -> None:
    assert parse(content) is None
