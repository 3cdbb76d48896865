"""Certificates: names match as a whole, and any bytes parse to a certificate or None."""

from __future__ import annotations

import datetime
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.hosts.certificates import (
    Certificate,
    TlsFacts,
    cautions,
    client_context,
    matches,
    parse,
)
from checks.engine.outcomes import Finding

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


@pytest.mark.parametrize(
    ("days_before", "days_after", "expected"),
    [
        (-30, 90, []),
        (-30, -1, [Finding("tls.expired", {"not_after": "2026-11-22T00:00:00+00:00"})]),
        (
            -30,
            3,
            [Finding("tls.expires-soon", {"not_after": "2026-11-26T00:00:00+00:00", "days": 3})],
        ),
        (1, 90, [Finding("tls.not-yet-valid", {"not_before": "2026-11-24T00:00:00+00:00"})]),
    ],
)
def test_cautions_about_validity(
    days_before: int, days_after: int, expected: list[Finding]
) -> None:
    begin, end = (NOW + datetime.timedelta(days=days) for days in (days_before, days_after))
    certificate = Certificate("CN=a", "CN=b", ("mail.example.test",), begin, end, "")

    found = cautions(TlsFacts("TLSv1.3", certificate), "mail.example.test", NOW)

    assert list(found) == expected


def test_unreadable_certificate_is_a_caution() -> None:
    found = cautions(TlsFacts("TLSv1.3", None), "mail.example.test", NOW)

    assert list(found) == [Finding("tls.unreadable-certificate", {"host": "mail.example.test"})]


@given(st.binary(max_size=400))
def test_parse_certificate_never_raises(content: bytes) -> None:
    assert parse(content) is None


@pytest.mark.parametrize("verified", [True, False])
def test_flags_are_equal_in_every_python(verified: bool) -> None:
    """The default context of Python 3.13 has two more verification flags."""
    context = client_context(verified=verified)

    assert context.verify_flags == 0x8000
    assert context.verify_mode == (ssl.CERT_REQUIRED if verified else ssl.CERT_NONE)
    assert (context.check_hostname, context.minimum_version) == (False, ssl.TLSVersion.TLSv1_2)
    assert context.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED
    assert not context.options & (ssl.Options.OP_NO_TLSv1_2 | ssl.Options.OP_NO_TLSv1_3)
