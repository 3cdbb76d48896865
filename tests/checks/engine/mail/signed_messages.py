"""Test messages with a small DKIM signer, so that a test can set every tag."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SELECTOR = "mimecast20261101"
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
RECEIVED = (
    "from us-smtp-delivery-1.mimecast.test (us-smtp-delivery-1.mimecast.test. [207.211.31.10])\r\n"
    " by mx.outside.test with ESMTPS id 1; Fri, 20 Nov 2026 11:59:00 +0000"
)
BODY = "A test message.\r\nSecond line.\r\n"


@functools.cache
def private_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def record(number: int = 0, bits: int = 2048) -> str:
    """The key record for DNS."""
    public = private_key(number, bits).public_key()
    der = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


def zone(**more: str) -> str:
    """The records of example.test with the region's ranges; `more` replaces records."""
    lines = {
        "key": f'{SELECTOR}._domainkey.example.test TXT "{record()}"',
        "spf": 'example.test TXT "v=spf1 include:us._netblocks.mimecast.test -all"',
        "dmarc": '_dmarc.example.test TXT "v=DMARC1; p=reject; rua=mailto:d@example.test"',
        "region": 'us._netblocks.mimecast.test TXT "v=spf1 ip4:207.211.31.0/25 ~all"',
    }
    return "\n".join((lines | more).values())


def written(
    sender: str = "Ann <ann@example.test>",
    received: str = RECEIVED,
    return_path: str = "<ann@example.test>",
    **more: str,
) -> list[tuple[str, str]]:
    """The header fields of a message; an empty value omits a field."""
    fields = {
        "Return-Path": return_path,
        "Received": received,
        "From": sender,
        "To": "somebody@outside.test",
        "Date": "Fri, 20 Nov 2026 11:58:30 +0000",
        "Subject": "Test",
        "Message-ID": "<1@example.test>",
    } | {name.replace("_", "-"): value for name, value in more.items()}
    return [(name, value) for name, value in fields.items() if value]


def joined(fields: list[tuple[str, str]], body: str = BODY) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{head}\r\n{body}".encode()


def signed(
    fields: list[tuple[str, str]] | None = None,
    body: str = BODY,
    *,
    domain: str = "example.test",
    selector: str = SELECTOR,
    key: int = 0,
    bits: int = 2048,
    covers: str = "from:to:date:subject:message-id",
    signed_at: datetime | None = AT,
    tags: Mapping[str, str] | None = None,
) -> bytes:
    """Add one signature on top, relaxed/relaxed (RFC 6376 section 3.7)."""
    fields = written() if fields is None else fields
    values = {
        "v": "1",
        "a": "rsa-sha256",
        "c": "relaxed/relaxed",
        "d": domain,
        "s": selector,
        **({"t": str(int(signed_at.timestamp()))} if signed_at else {}),
        "h": covers,
        **(tags or {}),
    }
    values["bh"] = _body_hash(body, values.get("l"))
    value = "; ".join(f"{name}={text}" for name, text in values.items()) + "; b="
    hashed = [_relaxed(n, v) for n, v in _selected(fields, covers)]
    data = "".join(hashed) + _relaxed("dkim-signature", value).removesuffix("\r\n")
    made = private_key(key, bits).sign(data.encode(), padding.PKCS1v15(), hashes.SHA256())
    return joined([("DKIM-Signature", value + base64.b64encode(made).decode()), *fields], body)


def fields_of(message: bytes) -> list[tuple[str, str]]:
    """Parse the output of `signed` or `joined`, to sign or change it again."""
    head = message.decode().partition("\r\n\r\n")[0].replace("\r\n ", "\r\n\x00")
    pairs = [line.partition(": ") for line in head.split("\r\n") if not line.startswith("\x00")]
    folded = re.sub(r"\r\n\x00", "\r\n ", head)
    assert "\x00" not in folded
    return [(name, _value(folded, name, value)) for name, _, value in pairs]


def _value(folded: str, name: str, first: str) -> str:
    rest = folded.partition(f"{name}: {first}")[2]
    following = re.match(r"((?:\r\n [^\r]*)*)", rest)
    return first + (following.group(1) if following else "")


def _selected(fields: list[tuple[str, str]], covers: str) -> list[tuple[str, str]]:
    found = []
    for name in covers.split(":"):
        matching = [field for field in fields if field[0].lower() == name]
        found += matching[-1:]
    return found


def _relaxed(name: str, value: str) -> str:
    folded = re.sub(r"[ \t]+", " ", value.replace("\r\n", "")).strip()
    return f"{name.lower()}:{folded}\r\n"


def _body_hash(body: str, length: str | None) -> str:
    lines = [re.sub(r"[ \t]+", " ", line).rstrip(" ") for line in body.split("\r\n")]
    text = "\r\n".join(lines).rstrip("\r\n")
    canonical = f"{text}\r\n" if text else ""
    data = canonical.encode()[: int(length)] if length and length.isdigit() else canonical.encode()
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
