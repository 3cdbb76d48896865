"""Parse a DKIM key record (RFC 6376 section 3.6.1, RFC 8463). Pure, and never raises."""

from __future__ import annotations

import base64
import binascii
import functools
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from checks.engine.mail.tag_lists import InvalidTagList, parse_tags, remove_whitespace

# A key of 16,384 bits has fewer than 3000 characters. Longer input is only an attack on the parser.
_MAX_KEY_CHARACTERS = 4096
_ED25519_BYTES = 32


@dataclass(frozen=True)
class DkimKey:
    """A valid record. `bits` is 0 when the key itself is unreadable or revoked."""

    kind: str
    public: str
    bits: int
    hashes: tuple[str, ...]
    services: tuple[str, ...]
    flags: tuple[str, ...]

    @property
    def is_revoked(self) -> bool:
        """RFC 6376 section 3.6.1: an empty p= means that the key has been withdrawn."""
        return not self.public


@dataclass(frozen=True)
class InvalidDkimKey:
    """Not a key record; `problem` is the invalid part."""

    problem: str


def is_key_like(text: str) -> bool:
    """Return whether the text is meant as a key. A wildcard can return unrelated TXT records."""
    bare = ";" + remove_whitespace(text).lower()
    return ";p=" in bare or bare.startswith(";v=dkim")


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> DkimKey | InvalidDkimKey:
    """Parse one TXT value, its strings joined (RFC 6376 section 3.6.2.2)."""
    try:
        pairs = parse_tags(text)
    except InvalidTagList as error:
        return InvalidDkimKey(str(error))
    tags = dict(pairs)
    # RFC 6376 section 3.6.1: v= is optional, but must be the first tag and "DKIM1".
    if "v" in tags and (pairs[0][0] != "v" or tags["v"] != "DKIM1"):
        return InvalidDkimKey(f"v={tags['v'][:20]}")
    if "p" not in tags:
        return InvalidDkimKey("p=")
    kind, public = tags.get("k", "rsa").lower(), remove_whitespace(tags["p"])
    return DkimKey(
        kind=kind[:40],
        public=public,
        bits=_bits(kind, public),
        hashes=_split_list(tags.get("h", "")),
        services=_split_list(tags.get("s", "")),
        flags=_split_list(tags.get("t", "")),
    )


def _split_list(value: str) -> tuple[str, ...]:
    return tuple(part for part in remove_whitespace(value).lower().split(":") if part)


def _bits(kind: str, public: str) -> int:
    if len(public) > _MAX_KEY_CHARACTERS:
        return 0
    try:
        content = base64.b64decode(public, validate=True)
    except (binascii.Error, ValueError):
        return 0
    if kind == "ed25519":
        # RFC 8463 section 4: the 32 bytes of the key, without ASN.1.
        return 256 if len(content) == _ED25519_BYTES else 0
    return _rsa_bits(content)


def _rsa_bits(content: bytes) -> int:
    try:
        key = load_der_public_key(content)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return 0
    return key.key_size if isinstance(key, RSAPublicKey) else 0
