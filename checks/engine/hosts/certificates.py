"""Parse a host's certificate and report the reasons against it. Pure."""

from __future__ import annotations

import datetime
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from checks.engine.addresses import Address, address_text, parse_address
from checks.engine.outcomes import Finding

# The verification of senders such as Postfix: a chain up to a trusted root, found in any order.
# Strict RFC 5280 syntax is not required.
_VERIFY_FLAGS = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
_OPTIONS = (
    ssl.Options.OP_ALL
    | ssl.Options.OP_NO_SSLv2
    | ssl.Options.OP_NO_SSLv3
    | ssl.Options.OP_NO_COMPRESSION
    | ssl.Options.OP_ENABLE_MIDDLEBOX_COMPAT
    | ssl.Options.OP_IGNORE_UNEXPECTED_EOF
)
# The TLS 1.2 cipher suites of OpenSSL's own default list, without those that need a shared secret.
# Set explicitly: the default of a Python build has 17 suites, and that of Debian 60. With the short
# one, a mail server with CBC or static RSA suites only, which senders and Mimecast reach, fails.
_CIPHERS = (
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:kRSA+AESGCM:kRSA+AES"
    ":!aNULL:!eNULL:!aDSS:!PSK:!SRP:!AESCCM"
    # The level of OpenSSL 3.2 and of Debian: RSA keys from 2048 bits, no SHA-1 signatures.
    ":@SECLEVEL=2"
)
# The alert by which TLS 1.3 demands a client certificate (RFC 8446 section 6.2).
CERTIFICATE_REQUIRED = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
# The alerts of TLS 1.2 servers for a missing client certificate (RFC 5246 sections 7.2.2, 7.4.6).
_REFUSES_CLIENT = frozenset(
    {
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "SSLV3_ALERT_NO_CERTIFICATE",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    }
)
_ERROR_TEXT = re.compile(r"\[SSL[^\]]*\] ([^(]{1,80}) \(")
EXPIRES_SOON = datetime.timedelta(days=14)


@dataclass(frozen=True)
class Certificate:
    """The facts of one certificate. `names` are its DNS names and addresses (RFC 9525)."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime.datetime
    not_after: datetime.datetime
    fingerprint: str

    @property
    def is_self_signed(self) -> bool:
        return self.subject == self.issuer

    def as_evidence(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "names": list(self.names),
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "fingerprint": self.fingerprint,
            "self_signed": self.is_self_signed,
        }


@dataclass(frozen=True)
class TlsFacts:
    """One handshake. `distrust` is the reason why the chain is not trusted, empty if it is."""

    protocol: str
    certificate: Certificate | None
    distrust: str = ""

    def as_evidence(self) -> dict[str, Any]:
        certificate = self.certificate.as_evidence() if self.certificate else None
        return {
            "protocol": self.protocol,
            "certificate": certificate,
            "trusted": not self.distrust,
            "distrust": self.distrust,
        }


def parse(der: bytes) -> Certificate | None:
    """Parse a certificate; None when it cannot be parsed."""
    try:
        read = x509.load_der_x509_certificate(der)
        return Certificate(
            subject=read.subject.rfc4514_string(),
            issuer=read.issuer.rfc4514_string(),
            names=_names(read),
            not_before=read.not_valid_before_utc,
            not_after=read.not_valid_after_utc,
            fingerprint=read.fingerprint(hashes.SHA256()).hex(),
        )
    except ValueError:
        return None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    hosts = [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    # Networks are in name constraints only (RFC 5280 section 4.2.1.10).
    return (*hosts, *(address_text(each) for each in addresses if isinstance(each, Address)))


def matches(certificate: Certificate, host: str) -> bool:
    """Return whether the certificate is for the host: by its name, or by a wildcard (RFC 9525).

    Section 6.3: a wildcard replaces exactly the first label. The subject's common name is ignored.
    """
    host = host.lower().removesuffix(".")
    # A wildcard never matches an address.
    if parse_address(host) is not None:
        return host in certificate.names
    # "*.example.com" matches a.example.com, but neither example.com nor a.b.example.com.
    wildcard = "*." + host.partition(".")[2]
    return host in certificate.names or wildcard in certificate.names


def cautions(facts: TlsFacts, host: str, now: datetime.datetime) -> Iterator[Finding]:
    """Yield the reasons why a strict client would reject the certificate, the clearest first."""
    certificate = facts.certificate
    if certificate is None:
        yield Finding("tls.unreadable-certificate", {"host": host})
        return
    if certificate.not_after < now:
        yield Finding("tls.expired", {"not_after": certificate.not_after.isoformat()})
    elif certificate.not_after < now + EXPIRES_SOON:
        params = {
            "not_after": certificate.not_after.isoformat(),
            "days": (certificate.not_after - now).days,
        }
        yield Finding("tls.expires-soon", params)
    if certificate.not_before > now:
        yield Finding("tls.not-yet-valid", {"not_before": certificate.not_before.isoformat()})
    if certificate.is_self_signed and facts.distrust:
        yield Finding("tls.self-signed", {"subject": certificate.subject})
    # OpenSSL reports an expired certificate as distrusted too; one finding is enough.
    elif facts.distrust and certificate.not_after >= now:
        yield Finding("tls.untrusted", {"issuer": certificate.issuer, "reason": facts.distrust})
    if not matches(certificate, host):
        yield Finding("tls.name-mismatch", {"host": host, "names": list(certificate.names)})


class _ClientHandshake(ssl.SSLObject):
    """Names a missing client certificate alike in TLS 1.2 and TLS 1.3.

    TLS 1.2 has no alert of its own for it. A server that has chosen a cipher suite lacks neither
    cipher nor certificate, so its alert concerns the client.
    """

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLError as error:
            if error.reason in _REFUSES_CLIENT and self.cipher() is not None:
                error.reason = CERTIFICATE_REQUIRED
            raise


def reason_of_tls(error: ssl.SSLError) -> str:
    """Return OpenSSL's name of the error, in capitals with underscores."""
    if error.reason:
        return error.reason
    # Python has no name for the newer alerts, only OpenSSL's text.
    found = _ERROR_TEXT.search(str(error))
    return found[1].upper().replace(" ", "_") if found else "UNKNOWN_ERROR"


def client_context(*, verified: bool, ca_file: str = "") -> ssl.SSLContext:
    """Return a client context for TLS 1.2 or later, the versions that Mimecast uses for delivery.

    `matches` compares the name, not the context, so that a mismatch is one finding among others.
    """
    # Not `create_default_context`: its flags depend on the Python version. From 3.13 on it
    # requires strict RFC 5280 syntax, which rejects certificates that mail servers accept.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    context.options = _OPTIONS
    context.set_ciphers(_CIPHERS)
    context.sslobject_class = _ClientHandshake
    context.check_hostname = False
    # The second attempt reads the facts of a rejected certificate. It sends nothing secret.
    context.verify_mode = ssl.CERT_REQUIRED if verified else ssl.CERT_NONE
    context.verify_flags = _VERIFY_FLAGS
    if verified:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if ca_file:
            context.load_verify_locations(ca_file)
    return context
