"""Verify a message's DKIM signatures against the currently published keys (RFC 6376).

The engine's `lookup` fetches the keys, then the library verifies with them. Only signatures of the
sender's organisation are verified: no other signature proves anything here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import dkim

from checks.engine.dns.lookup import Answer, Lookup, LookupFailure, Records
from checks.engine.dns.public_suffix import organisational_domain
from checks.engine.dns.validated import resolve_validated
from checks.engine.expected_values import DkimSelector
from checks.engine.mail.dkim import key_name
from checks.engine.mail.dkim_keys import MIN_BITS, DkimKey, InvalidDkimKey, KeyProblem, select
from checks.engine.mail.dkim_keys import parse as parse_key
from checks.engine.mail.message_parser import MailMessage, is_host_name, parse_date
from checks.engine.mail.tag_lists import InvalidTagList, parse_tags, remove_whitespace

MAX_SIGNATURES = 20
# RFC 6376 section 6.1.1 permits some clock skew; the library does as well.
CLOCK_SKEW = timedelta(hours=10)
_MAX_SIGNATURE_BYTES = 8_000
_MAX_SIGNED_FIELDS = 200
_LONG_WHITE = re.compile(r"\s{65,}")
_SECONDS = re.compile(r"[0-9]{1,12}")


class SignatureState(StrEnum):
    """The result of verifying one signature."""

    VALID = "valid"
    BODY_ALTERED = "body-altered"
    HEADERS_ALTERED = "headers-altered"  # or made with another key than the published one
    EXPIRED = "expired"
    FUTURE = "future"
    KEY_MISSING = "key-missing"
    KEY_UNUSABLE = "key-unusable"
    KEY_UNANSWERED = "key-unanswered"
    OTHER_KEY_TYPE = "other-key-type"  # the signature or the key is Ed25519
    IDENTITY_NOT_ALLOWED = "identity-not-allowed"  # i= is below d=, and the key has t=s
    MALFORMED = "malformed"
    FOREIGN = "foreign"
    NOT_CHECKED = "not-checked"


# The record for the library and its key, or the detail of a state without a usable key.
_PublishedKey = tuple[str, DkimKey | SignatureState]


@dataclass(frozen=True)
class DkimSignature:
    """One DKIM-Signature field and the result of its verification.

    `signed_at` is the time under the signature: t=, or else a signed Date. `length` is the l= tag:
    the number of signed bytes of the body, None for all.
    """

    domain: str
    selector: str
    state: SignatureState
    detail: str = ""
    signed_at: datetime | None = None
    length: int | None = None
    is_testing: bool = False
    identity_domain: str = ""
    canonicalization: str = ""

    @property
    def name(self) -> str:
        return key_name(self.selector, self.domain)

    @property
    def is_valid(self) -> bool:
        return self.state is SignatureState.VALID


async def verify_signatures(
    message: MailMessage,
    sender: str,
    lookup: Lookup,
    *,
    now: datetime,
    selectors: Sequence[DkimSelector] = (),
) -> list[DkimSignature]:
    """Return every signature of the message in order; at most MAX_SIGNATURES are verified.

    A recorded key of `selectors` must be the published one, as in the DKIM check.
    """
    organisation = organisational_domain(sender)
    fields = message.fields_named("dkim-signature")
    read = [_parse_signature(message, field.raw, organisation, now) for field in fields]
    unchecked = [n for n, each in enumerate(read) if each.state is SignatureState.NOT_CHECKED]
    unchecked = unchecked[:MAX_SIGNATURES]
    names = list(dict.fromkeys(read[number].name for number in unchecked))
    answers = await asyncio.gather(*(resolve_validated(lookup, name, "TXT") for name in names))
    recorded = {key_name(each.name, sender): each.key for each in selectors}
    keys = {
        name: _key_of(answer, recorded.get(name, ""))
        for name, answer in zip(names, answers, strict=True)
    }
    # In a thread: hashing two megabytes several times would block the other checks of the loop.
    done = await asyncio.to_thread(_verify_each, message, read, unchecked, keys)
    return [done.get(number, each) for number, each in enumerate(read)]


def _parse_signature(
    message: MailMessage, raw: bytes, organisation: str, now: datetime
) -> DkimSignature:
    """Parse a signature and reject what cannot be verified (RFC 6376 section 6.1.1)."""
    tags = _tags(raw)
    if tags is None:
        return DkimSignature("", "", SignatureState.MALFORMED)
    domain, selector = tags.get("d", "").lower(), tags.get("s", "").lower()
    if not is_host_name(domain) or not DkimSelector(selector).is_well_formed:
        return DkimSignature("", "", SignatureState.MALFORMED)
    length = tags.get("l")
    signature = DkimSignature(
        domain,
        selector,
        SignatureState.NOT_CHECKED,
        signed_at=_signed_at(message, tags),
        length=int(length) if length and _SECONDS.fullmatch(length) else None,
        identity_domain=_identity_domain(tags, domain),
        canonicalization=tags.get("c", "simple/simple"),
    )
    if organisational_domain(domain) != organisation:
        return replace(signature, state=SignatureState.FOREIGN)
    problem = _problem(tags)
    if problem == "a=" and tags.get("a", "").lower() == "ed25519-sha256":
        return replace(signature, state=SignatureState.OTHER_KEY_TYPE)
    if problem:
        return replace(signature, state=SignatureState.MALFORMED, detail=problem)
    return _check_dates(signature, tags, now)


def _tags(raw: bytes) -> dict[str, str] | None:
    # Long runs of white space make the library's regular expressions slow.
    if len(raw) > _MAX_SIGNATURE_BYTES or _LONG_WHITE.search(text := raw.decode("latin-1")):
        return None
    try:
        return dict(parse_tags(text))
    except InvalidTagList:
        return None


def _identity_domain(tags: Mapping[str, str], domain: str) -> str:
    """Return the domain of i=, which is d= by default (RFC 6376 section 3.5)."""
    _, at, identity = tags.get("i", "").rpartition("@")
    return remove_whitespace(identity).lower() if at else domain


def _problem(tags: Mapping[str, str]) -> str:
    """Return the tag that makes the signature void, or ""."""
    signed = _signed_fields(tags)
    refused = {
        "v=": tags.get("v") != "1",
        # RFC 8301 section 3.1 retired SHA-1. Ed25519 signatures (RFC 8463) are not verified here.
        "a=": tags.get("a", "").lower() != "rsa-sha256",
        # RFC 6376 section 5.4: From must be signed, or anybody could replace the sender.
        "h=": "from" not in signed or len(signed) > _MAX_SIGNED_FIELDS,
        "l=": "l" in tags and not _SECONDS.fullmatch(tags["l"]),
        "t=": "t" in tags and not _SECONDS.fullmatch(tags["t"]),
        "x=": "x" in tags and not _SECONDS.fullmatch(tags["x"]),
        "bh=": not remove_whitespace(tags.get("bh", "")),
        "b=": not remove_whitespace(tags.get("b", "")),
    }
    return next((tag for tag, is_refused in refused.items() if is_refused), "")


def _signed_fields(tags: Mapping[str, str]) -> list[str]:
    return remove_whitespace(tags.get("h", "")).lower().split(":")


def _signed_at(message: MailMessage, tags: Mapping[str, str]) -> datetime | None:
    """Return the signed time. Anybody can change an unsigned Date, or add a second one."""
    if _SECONDS.fullmatch(tags.get("t", "")):
        return _from_seconds(tags["t"])
    dates = message.fields_named("date")
    if len(dates) == 1 and "date" in _signed_fields(tags):
        return parse_date(dates[0].text)
    return None


def _from_seconds(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _check_dates(signature: DkimSignature, tags: Mapping[str, str], now: datetime) -> DkimSignature:
    if signature.signed_at is not None and signature.signed_at > now + CLOCK_SKEW:
        return replace(signature, state=SignatureState.FUTURE)
    expires_at = _from_seconds(tags["x"]) if "x" in tags else None
    if expires_at is not None and expires_at < now:
        return replace(signature, state=SignatureState.EXPIRED, detail=expires_at.isoformat())
    return signature


def _verify_each(
    message: MailMessage,
    read: Sequence[DkimSignature],
    numbers: Sequence[int],
    keys: Mapping[str, _PublishedKey],
) -> dict[int, DkimSignature]:
    verifier = dkim.DKIM(message.content, minkey=MIN_BITS)
    return {n: _verify(verifier, n, read[n], keys[read[n].name]) for n in numbers}


def _verify(
    verifier: Any, number: int, signature: DkimSignature, published: _PublishedKey
) -> DkimSignature:
    record, key = published
    if isinstance(key, SignatureState):
        return replace(signature, state=key, detail=record)
    signature = replace(signature, is_testing="y" in key.flags)
    if key.is_strict and signature.identity_domain != signature.domain:
        return replace(signature, state=SignatureState.IDENTITY_NOT_ALLOWED)
    try:
        # The library must not query DNS itself: it receives the fetched record for any name.
        is_valid = verifier.verify(number, dnsfunc=lambda *_args, **_kwargs: record.encode())
    except dkim.ValidationError as error:
        is_of_body = str(error).startswith("body hash mismatch")
        state = SignatureState.BODY_ALTERED if is_of_body else SignatureState.MALFORMED
        return replace(signature, state=state)
    except (dkim.DKIMException, ValueError, LookupError, TypeError):
        # The library raises these for a signature that it cannot parse.
        return replace(signature, state=SignatureState.MALFORMED)
    if is_valid and _exceeds_body(signature, verifier.body):
        return replace(signature, state=SignatureState.MALFORMED, detail="l=")
    return replace(
        signature, state=SignatureState.VALID if is_valid else SignatureState.HEADERS_ALTERED
    )


def _exceeds_body(signature: DkimSignature, body: bytes) -> bool:
    """Return whether l= is larger than the body, which voids a signature (RFC 6376 section 3.5).

    The library hashes the bytes that exist.
    """
    if signature.length is None:
        return False
    policy = dkim.CanonicalizationPolicy.from_c_value(signature.canonicalization.encode())
    return signature.length > len(policy.canonicalize_body(body))


def _key_of(answer: Answer, recorded: str) -> _PublishedKey:
    """Return the record for the library with its key, or the reason with the resulting state."""
    if isinstance(answer, LookupFailure):
        return answer.reason, SignatureState.KEY_UNANSWERED
    values = select(answer.values) if isinstance(answer, Records) else []
    if not values:
        return "", SignatureState.KEY_MISSING
    # RFC 6376 section 3.6.2.2: with several records the result is undefined.
    if len(values) > 1:
        return KeyProblem.SEVERAL_RECORDS, SignatureState.KEY_UNUSABLE
    key = parse_key(values[0])
    if isinstance(key, InvalidDkimKey):
        return key.kind, SignatureState.KEY_UNUSABLE
    problems = key.problems or ((KeyProblem.OTHER_KEY,) if key.differs_from(recorded) else ())
    if problems:
        return problems[0], SignatureState.KEY_UNUSABLE
    # The DKIM check accepts an Ed25519 key with a caution. It cannot have made an rsa-sha256
    # signature, the only kind that is verified here.
    if key.kind != "rsa":
        return key.kind, SignatureState.OTHER_KEY_TYPE
    return key.plain_record, key
