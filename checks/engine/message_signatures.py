"""Verifying a message's DKIM signatures against the keys that DNS publishes now (RFC 6376).

Keys are fetched through our own `lookup` first; the library then reads what was fetched. Only
signatures of the sender's own organisation are looked at: no other can prove anything here.
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

from checks.engine.dkim import LEAST_BITS, name_of
from checks.engine.dkim_keys import Key, is_key_like
from checks.engine.dkim_keys import parse as parse_key
from checks.engine.expectations import Selector
from checks.engine.lookup import Answer, CouldNotTell, Lookup, Records
from checks.engine.message_parts import Message, is_host_name, moment_of
from checks.engine.organisations import organisational_domain
from checks.engine.tag_lists import BadTagList, read_tags, unfolded

MAX_SIGNATURES = 20
# RFC 6376 section 6.1.1 leaves room for clocks that are wrong; the library does as well.
CLOCK_SKEW = timedelta(hours=10)
_MAX_BITS = 4096
_MAX_SIGNATURE_BYTES = 8_000
_MAX_SIGNED_FIELDS = 200
_LONG_WHITE = re.compile(r"\s{65,}")
_SECONDS = re.compile(r"[0-9]{1,12}")


class State(StrEnum):
    """What became of one signature."""

    VALID = "valid"
    BODY_ALTERED = "body-altered"
    HEADERS_ALTERED = "headers-altered"  # or made with another key than the published one
    EXPIRED = "expired"
    FUTURE = "future"
    KEY_MISSING = "key-missing"
    KEY_UNUSABLE = "key-unusable"
    KEY_UNANSWERED = "key-unanswered"
    MALFORMED = "malformed"
    FOREIGN = "foreign"
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True)
class Signature:
    """One DKIM-Signature field as read, and what became of it.

    `signed_at` is the signer's own word under its signature: t=, or else a signed Date.
    `length` is the l= tag: how many bytes of the body are covered, None for all.
    """

    domain: str
    selector: str
    state: State
    detail: str = ""
    signed_at: datetime | None = None
    length: int | None = None
    is_testing: bool = False

    @property
    def name(self) -> str:
        return name_of(self.selector, self.domain)

    @property
    def is_valid(self) -> bool:
        return self.state is State.VALID


async def verify_all(
    message: Message, sender: str, lookup: Lookup, *, now: datetime
) -> list[Signature]:
    """Every signature of the message, in its order; at most MAX_SIGNATURES are worked on."""
    organisation = organisational_domain(sender)
    fields = message.named("dkim-signature")
    read = [_read(message, field.raw, organisation, now) for field in fields]
    open_ones = [n for n, each in enumerate(read) if each.state is State.NOT_CHECKED]
    open_ones = open_ones[:MAX_SIGNATURES]
    names = list(dict.fromkeys(read[number].name for number in open_ones))
    answers = await asyncio.gather(*(lookup.resolve(name, "TXT") for name in names))
    keys = dict(zip(names, answers, strict=True))
    # Hashing two megabytes some times takes its moment: the loop's other looks must not wait.
    done = await asyncio.to_thread(_verify_each, message, read, open_ones, keys)
    return [done.get(number, each) for number, each in enumerate(read)]


def _read(message: Message, raw: bytes, organisation: str, now: datetime) -> Signature:
    """A signature's tags, held against what we can verify at all (RFC 6376 section 6.1.1)."""
    tags = _tags(raw)
    if tags is None:
        return Signature("", "", State.MALFORMED)
    domain, selector = tags.get("d", "").lower(), tags.get("s", "").lower()
    if not is_host_name(domain) or not Selector(selector).is_well_formed:
        return Signature("", "", State.MALFORMED)
    length = tags.get("l")
    signature = Signature(
        domain,
        selector,
        State.NOT_CHECKED,
        signed_at=_signed_at(message, tags),
        length=int(length) if length and _SECONDS.fullmatch(length) else None,
    )
    if organisational_domain(domain) != organisation:
        return replace(signature, state=State.FOREIGN)
    problem = _problem(tags)
    if problem:
        return replace(signature, state=State.MALFORMED, detail=problem)
    return _held_against_the_clock(signature, tags, now)


def _tags(raw: bytes) -> dict[str, str] | None:
    if len(raw) > _MAX_SIGNATURE_BYTES or _LONG_WHITE.search(text := raw.decode("latin-1")):
        return None
    try:
        return dict(read_tags(text))
    except BadTagList:
        return None


def _problem(tags: Mapping[str, str]) -> str:
    """The tag that makes the signature void, or empty."""
    signed = _signed_fields(tags)
    refused = {
        "v=": tags.get("v") != "1",
        # RFC 8301 section 3.1 retired SHA-1; RFC 8463's keys are not verified here.
        "a=": tags.get("a", "").lower() != "rsa-sha256",
        "h=": "from" not in signed or len(signed) > _MAX_SIGNED_FIELDS,
        "l=": "l" in tags and not _SECONDS.fullmatch(tags["l"]),
        "t=": "t" in tags and not _SECONDS.fullmatch(tags["t"]),
        "x=": "x" in tags and not _SECONDS.fullmatch(tags["x"]),
        "bh=": not unfolded(tags.get("bh", "")),
        "b=": not unfolded(tags.get("b", "")),
    }
    return next((tag for tag, is_refused in refused.items() if is_refused), "")


def _signed_fields(tags: Mapping[str, str]) -> list[str]:
    return unfolded(tags.get("h", "")).lower().split(":")


def _signed_at(message: Message, tags: Mapping[str, str]) -> datetime | None:
    """The signer's own moment. An unsigned Date is anybody's, and so is one of several."""
    if _SECONDS.fullmatch(tags.get("t", "")):
        return _from_seconds(tags["t"])
    dates = message.named("date")
    if len(dates) == 1 and "date" in _signed_fields(tags):
        return moment_of(dates[0].text)
    return None


def _from_seconds(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _held_against_the_clock(
    signature: Signature, tags: Mapping[str, str], now: datetime
) -> Signature:
    if signature.signed_at is not None and signature.signed_at > now + CLOCK_SKEW:
        return replace(signature, state=State.FUTURE)
    expires_at = _from_seconds(tags["x"]) if "x" in tags else None
    if expires_at is not None and expires_at < now:
        return replace(signature, state=State.EXPIRED, detail=expires_at.isoformat())
    return signature


def _verify_each(
    message: Message,
    read: Sequence[Signature],
    numbers: Sequence[int],
    keys: Mapping[str, Answer],
) -> dict[int, Signature]:
    verifier = dkim.DKIM(message.content, minkey=LEAST_BITS)
    return {n: _verify(verifier, n, read[n], keys[read[n].name]) for n in numbers}


def _verify(verifier: Any, number: int, signature: Signature, answer: Answer) -> Signature:
    record, key = _key_of(answer)
    if isinstance(key, State):
        return replace(signature, state=key, detail=record)
    signature = replace(signature, is_testing="y" in key.flags)
    try:
        # The library is handed what was fetched, whatever name it thinks of.
        is_valid = verifier.verify(number, dnsfunc=lambda *_args, **_kwargs: record.encode())
    except dkim.ValidationError as error:
        is_of_body = str(error).startswith("body hash mismatch")
        state = State.BODY_ALTERED if is_of_body else State.MALFORMED
        return replace(signature, state=state)
    except (dkim.DKIMException, ValueError, LookupError, TypeError):
        # What the library makes of a signature that it cannot read.
        return replace(signature, state=State.MALFORMED)
    return replace(signature, state=State.VALID if is_valid else State.HEADERS_ALTERED)


def _key_of(answer: Answer) -> tuple[str, Key | State]:
    """The published record with its key, or else the reason with the state it leads to."""
    if isinstance(answer, CouldNotTell):
        return answer.reason, State.KEY_UNANSWERED
    values = [v for v in answer.values if is_key_like(v)] if isinstance(answer, Records) else []
    if not values:
        return "", State.KEY_MISSING
    key = parse_key(values[0])
    if len(values) > 1:
        return "several-records", State.KEY_UNUSABLE
    if not isinstance(key, Key) or not values[0].isascii():
        return "syntax", State.KEY_UNUSABLE
    return _usable(values[0], key)


def _usable(record: str, key: Key) -> tuple[str, Key | State]:
    refused = {
        "revoked": key.is_revoked,
        "unknown-type": key.kind != "rsa",
        "unreadable-key": not key.bits,
        "short-key": 0 < key.bits < LEAST_BITS,
        "long-key": key.bits > _MAX_BITS,
        "not-for-mail": bool(key.services) and not {"*", "email"} & set(key.services),
        "hash-missing": bool(key.hashes) and "sha256" not in key.hashes,
    }
    problem = next((name for name, is_refused in refused.items() if is_refused), "")
    return (problem, State.KEY_UNUSABLE) if problem else (record, key)
