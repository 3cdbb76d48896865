"""Parse a DKIM key record (RFC 6376 section 3.6.1, RFC 8463). Pure, and never raises."""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from checks.engine.almost_records import clean, describe_character, stray_character
from checks.engine.mail.tag_lists import (
    InvalidTagList,
    outside_character,
    parse_tags,
    remove_whitespace,
)

# A key of 16,384 bits has fewer than 3000 characters. Longer input is only an attack on the parser.
_MAX_KEY_CHARACTERS = 4096
_ED25519_BYTES = 32
# RFC 8301 section 3.2: verifiers reject RSA keys below 1024 bits, and need not accept longer ones
# than 4096. Signers should use 2048.
MIN_BITS, RECOMMENDED_BITS, MAX_BITS = 1024, 2048, 4096


class KeyProblem(StrEnum):
    """The reason why receivers reject every signature with a key."""

    SEVERAL_RECORDS = "several-records"
    SYNTAX = "syntax"
    STRAY_CHARACTER = "stray-character"
    REVOKED = "revoked"
    UNKNOWN_TYPE = "unknown-type"
    UNREADABLE_KEY = "unreadable-key"
    SHORT_KEY = "short-key"
    LONG_KEY = "long-key"
    NOT_FOR_MAIL = "not-for-mail"
    HASH_MISSING = "hash-missing"
    OTHER_KEY = "other-key"


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

    def differs_from(self, recorded: str) -> bool:
        """Return whether a key is recorded for the selector, and this is another one."""
        return bool(recorded) and remove_whitespace(recorded) != self.public

    @property
    def plain_record(self) -> str:
        """The key without other tags, which a library that verifies could judge differently."""
        return f"v=DKIM1; k={self.kind}; p={self.public}"

    @property
    def is_strict(self) -> bool:
        """RFC 6376 section 3.6.1, t=s: the domain of i= must equal d=, without a subdomain."""
        return "s" in self.flags

    @property
    def problems(self) -> tuple[KeyProblem, ...]:
        """Every reason against the key. The DKIM check and the message check use the same."""
        if self.is_revoked:
            return (KeyProblem.REVOKED,)
        is_known, is_rsa = self.kind in ("rsa", "ed25519"), self.kind == "rsa"
        refused = {
            KeyProblem.UNKNOWN_TYPE: not is_known,
            KeyProblem.UNREADABLE_KEY: is_known and not self.bits,
            KeyProblem.SHORT_KEY: is_rsa and 0 < self.bits < MIN_BITS,
            KeyProblem.LONG_KEY: is_rsa and self.bits > MAX_BITS,
            # RFC 6376 section 3.6.1: without s=, the key serves every purpose.
            KeyProblem.NOT_FOR_MAIL: bool(self.services)
            and not {"*", "email"} & set(self.services),
            # RFC 8301 section 3.1: verifiers must not accept SHA-1 signatures.
            KeyProblem.HASH_MISSING: bool(self.hashes) and "sha256" not in self.hashes,
        }
        return tuple(problem for problem, is_refused in refused.items() if is_refused)


@dataclass(frozen=True)
class InvalidDkimKey:
    """Not a key record. `problem` is the invalid part, or the name of a stray character."""

    problem: str
    kind: KeyProblem = KeyProblem.SYNTAX


def is_key_like(text: str) -> bool:
    """Return whether the text is meant as a key. A wildcard can return unrelated TXT records."""
    bare = ";" + remove_whitespace(clean(text)).lower()
    return ";p=" in bare or bare.startswith(";v=dkim")


def select(values: Sequence[str]) -> list[str]:
    """Return the TXT values that are meant as keys, sorted: a record set has no order."""
    return sorted(value for value in values if is_key_like(value))


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> DkimKey | InvalidDkimKey:
    """Parse one TXT value, its strings joined (RFC 6376 section 3.6.2.2).

    RFC 6376 section 3.2: values are case-sensitive, so that receivers do not know `k=RSA`.
    """
    outside = outside_character(text)
    if outside:
        # Section 3.2: one character outside VALCHAR voids the list, whichever tag contains it.
        return InvalidDkimKey(describe_character(outside), KeyProblem.STRAY_CHARACTER)
    try:
        pairs = parse_tags(text)
    except InvalidTagList as error:
        return _invalid(text, str(error))
    tags = dict(pairs)
    # RFC 6376 section 3.6.1: v= is optional, but must be the first tag and "DKIM1".
    if "v" in tags and (pairs[0][0] != "v" or tags["v"] != "DKIM1"):
        return _invalid(tags["v"], f"v={tags['v'][:20]}")
    if "p" not in tags:
        return InvalidDkimKey("p=")
    kind, public = tags.get("k", "rsa"), remove_whitespace(tags["p"])
    if stray_character(public):
        return _invalid(public, "p=")
    return DkimKey(
        kind=kind[:40],
        public=public,
        bits=_bits(kind, public),
        hashes=_listed(tags, "h"),
        services=_listed(tags, "s"),
        # Some receivers read a flag in any case. The strict reading counts.
        flags=_split_list(tags.get("t", "").lower()),
    )


def _invalid(text: str, problem: str) -> InvalidDkimKey:
    """Return the quotation mark, comma or backslash of an invalid text, or else the problem."""
    stray = stray_character(remove_whitespace(text))
    return InvalidDkimKey(stray, KeyProblem.STRAY_CHARACTER) if stray else InvalidDkimKey(problem)


def _listed(tags: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the values of a list tag; the tag itself for an empty list, which permits nothing.

    RFC 6376 section 3.6.1: a list has at least one value. Only an absent tag permits everything.
    """
    return _split_list(tags[name]) or (f"{name}=",) if name in tags else ()


def _split_list(value: str) -> tuple[str, ...]:
    return tuple(part for part in remove_whitespace(value).split(":") if part)


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
