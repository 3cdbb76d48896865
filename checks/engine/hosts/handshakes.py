"""Name the cause of a failed TLS handshake, so that the right team corrects it. Pure."""

from __future__ import annotations

from enum import StrEnum

from checks.engine.hosts.certificates import CERTIFICATE_REQUIRED


class HandshakeFault(StrEnum):
    """The cause. An alert proves that the port serves TLS."""

    CLOSED = "closed"
    TIMEOUT = "timeout"
    TOO_OLD = "too-old"
    NO_CERTIFICATE = "no-certificate"
    UNKNOWN_NAME = "unknown-name"
    CLIENT_CERTIFICATE = "client-certificate"
    ALERT = "alert"
    NOT_TLS = "not-tls"
    OTHER = "other"


# The reasons of OpenSSL, by cause. The versions or the ciphers do not match:
_TOO_OLD = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"}
)
_NO_CERTIFICATE = frozenset(
    {
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "SSLV3_ALERT_NO_CERTIFICATE",
        "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        "NO_SHARED_CIPHER",
    }
)
# After the handshake of TLS 1.3, these alerts answer the empty certificate of the client.
_REFUSES_CLIENT = frozenset(
    {
        CERTIFICATE_REQUIRED,
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "SSLV3_ALERT_NO_CERTIFICATE",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    }
)
# The bytes of the server are no TLS record: another protocol, such as plain HTTP or LDAP.
_NOT_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)
# RFC 6066 section 3: the server has no certificate for the name of the SNI extension.
_UNKNOWN_NAME = "TLSV1_UNRECOGNIZED_NAME"


def fault_of(reason: str, *, is_after: bool = False) -> HandshakeFault:
    """Return the cause of a reason of `reason_of_tls`, or of a HandshakeFailure.

    `is_after`: the client has completed its part. In TLS 1.3 the server's rejection of the client
    arrives only then, in place of the first reply (RFC 8446 section 4.4.2.4).
    """
    if reason in ("closed", "timeout"):
        return HandshakeFault(reason)
    if reason == CERTIFICATE_REQUIRED or (is_after and reason in _REFUSES_CLIENT):
        return HandshakeFault.CLIENT_CERTIFICATE
    if reason in _TOO_OLD:
        return HandshakeFault.TOO_OLD
    if reason in _NO_CERTIFICATE:
        return HandshakeFault.NO_CERTIFICATE
    if reason == _UNKNOWN_NAME:
        return HandshakeFault.UNKNOWN_NAME
    if is_alert(reason):
        return HandshakeFault.ALERT
    return HandshakeFault.NOT_TLS if reason in _NOT_TLS else HandshakeFault.OTHER


def is_alert(reason: str) -> bool:
    """Whether OpenSSL names an alert of the server, which only TLS has.

    The alerts of RFC 6066 are named without the word, as in “tlsv1 unrecognized name”.
    """
    return "ALERT" in reason or reason.startswith("TLSV1_")
