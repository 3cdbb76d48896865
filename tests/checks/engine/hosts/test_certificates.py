"""Certificates: names match as a whole, and any bytes parse to a certificate or None."""

from __future__ import annotations

import contextlib
import datetime
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
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
    # TLS 1.3 has its own list, which a build cannot shorten.
    assert [each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"] == [
        *("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
        *("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
        *("ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"),
        *("DHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES128-GCM-SHA256"),
        "DHE-RSA-CHACHA20-POLY1305",
        *("ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384"),
        *("ECDHE-ECDSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256"),
        *("ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA"),
        *("ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA"),
        *("DHE-RSA-AES256-SHA256", "DHE-RSA-AES128-SHA256"),
        *("DHE-RSA-AES256-SHA", "DHE-RSA-AES128-SHA"),
        *("AES256-GCM-SHA384", "AES128-GCM-SHA256"),
        *("AES256-SHA256", "AES128-SHA256", "AES256-SHA", "AES128-SHA"),
    ]
    assert context.security_level == 2
    assert context.verify_mode == (ssl.CERT_REQUIRED if verified else ssl.CERT_NONE)
    assert (context.check_hostname, context.minimum_version) == (False, ssl.TLSVersion.TLSv1_2)
    assert context.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED
    assert not context.options & (ssl.Options.OP_NO_TLSv1_2 | ssl.Options.OP_NO_TLSv1_3)


@pytest.mark.parametrize(
    "suite",
    ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES256-SHA", "ECDHE-RSA-AES128-SHA"],
)
def test_server_with_one_suite_is_reached(suite: str, tmp_path: Path) -> None:
    """The default list of a Python build from source lacks these suites."""
    server = rsa_server(tmp_path)
    server.set_ciphers(suite)
    server.maximum_version = ssl.TLSVersion.TLSv1_2

    assert handshake(client_context(verified=False), server).cipher()[0] == suite


@pytest.mark.parametrize("bits", [1024, 2048])
def test_short_key_is_distrusted_in_every_build(bits: int, tmp_path: Path) -> None:
    server = rsa_server(tmp_path, bits)
    context = client_context(verified=True, ca_file=str(tmp_path / "server.pem"))

    if bits >= 2048:
        assert handshake(context, server).version() == "TLSv1.3"
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match="too weak"):
            handshake(context, server)


def rsa_server(folder: Path, bits: int = 2048) -> ssl.SSLContext:
    key = rsa.generate_private_key(65537, bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "server.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(path)
    return context


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> Any:
    """Complete a handshake in memory and return the client's side."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="mail.example.test")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return ours
