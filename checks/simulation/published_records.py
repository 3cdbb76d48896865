"""The records that a simulated client may publish for each kind of check, and their correctness.

Correct and wrong are constants here, not computed by the code under test.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from checks.engine import mx, mx_ttl, ownership
from checks.engine.dns.lookup import Lookup, Record
from checks.engine.expected_values import DkimSelector, OwnershipCode, RegionFacts
from checks.engine.mail import dkim
from checks.engine.outcomes import CheckKind, Outcome
from checks.engine.spf import check

DOMAIN = "client.test"
TOKEN = "0ed1fe018a3f2b9c5e7a1d4e8f9b0c1d2e3f4a5b6c"
THRESHOLD = 300
HOSTS = ("in-1.gateway.test", "in-2.gateway.test")
INCLUDE = "us._netblocks.gateway.test"
REGION = RegionFacts(id="us", mx=HOSTS, spf_include=INCLUDE)
LONGEST_TTL = 86_400
# Records of other zones, which never change.
ELSEWHERE = MappingProxyType({(INCLUDE, "TXT"): "v=spf1 ip4:192.0.2.0/24 ~all"})


@dataclass(frozen=True)
class ZoneContent:
    """The contents of a zone for the question: record values, empty for an absent record set."""

    values: tuple[str, ...]
    ttl: int
    is_right: bool

    @property
    def is_absent(self) -> bool:
        return not self.values


ABSENT = ZoneContent((), 0, is_right=False)


@dataclass(frozen=True)
class SimulatedQuestion:
    """One kind of check in the simulated world, and the records that may be published for it."""

    kind: CheckKind
    name: str
    rtype: str
    right: tuple[tuple[str, ...], ...]
    wrong: tuple[tuple[str, ...], ...]
    inspect: Callable[[Lookup], Awaitable[Outcome]]
    # For MX TTL, the TTL is right or wrong, not the values.
    ttl_decides: bool = False
    # Whether caches do not matter any more once every server publishes this; None: no safe time
    # uses it.
    is_new: Callable[[ZoneContent], bool] | None = None

    def content(self, values: tuple[str, ...], ttl: int) -> ZoneContent:
        if not values:
            return ABSENT
        is_right = ttl <= THRESHOLD if self.ttl_decides else values in self.right
        return ZoneContent(values, ttl, is_right)

    def records(self, content: ZoneContent) -> tuple[Record, ...]:
        return tuple(Record(self.name, self.rtype, content.ttl, v) for v in content.values)


@functools.cache
def _key() -> str:
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return base64.b64encode(
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()


def _mx(*hosts: str) -> tuple[str, ...]:
    return tuple(f"{10 * number} {host}" for number, host in enumerate(hosts, start=1))


_NEW, _OLD = _mx(*HOSTS), _mx("mail.client.test")
_MX_WRONG = (
    _OLD,
    _mx(*HOSTS, "mail.client.test"),
    _mx("mail.client.test", *HOSTS),
    _mx(HOSTS[0]),
    _mx("in-1.gateway.test.example.net", "in-2.gateway.test.example.net"),
    (),
)
_SELECTOR = "gateway1"


def _ownership(lookup: Lookup) -> Awaitable[Outcome]:
    return ownership.inspect(DOMAIN, OwnershipCode(TOKEN), lookup)


def _spf(lookup: Lookup) -> Awaitable[Outcome]:
    return check.inspect(DOMAIN, REGION, lookup)


def _dkim(lookup: Lookup) -> Awaitable[Outcome]:
    return dkim.inspect(DOMAIN, (DkimSelector(_SELECTOR),), lookup)


def _inspect_mx(lookup: Lookup) -> Awaitable[Outcome]:
    return mx.inspect(DOMAIN, REGION, lookup)


def _mx_ttl(lookup: Lookup) -> Awaitable[Outcome]:
    return mx_ttl.inspect(DOMAIN, THRESHOLD, lookup)


def _txt_questions() -> tuple[SimulatedQuestion, ...]:
    return (
        SimulatedQuestion(
            CheckKind.OWNERSHIP,
            DOMAIN,
            "TXT",
            right=((TOKEN,), ("v=spf1 -all", TOKEN)),
            wrong=((), ("v=spf1 -all",), (TOKEN[:-1],), (f'"{TOKEN}"',)),
            inspect=_ownership,
        ),
        SimulatedQuestion(
            CheckKind.SPF,
            DOMAIN,
            "TXT",
            right=((f"v=spf1 include:{INCLUDE} ~all",), (f"v=spf1 mx include:{INCLUDE} -all",)),
            wrong=(
                (),
                ("v=spf1 ip4:198.51.100.1 -all",),
                (f"v=spf1 -all include:{INCLUDE}",),
                (f"v=spf1 include:{INCLUDE}.example.net -all",),
                (f"v=spf1 include:{INCLUDE} ~all", "v=spf1 -all"),
            ),
            inspect=_spf,
        ),
        SimulatedQuestion(
            CheckKind.DKIM,
            f"{_SELECTOR}._domainkey.{DOMAIN}",
            "TXT",
            right=((f"v=DKIM1; k=rsa; p={_key()}",),),
            wrong=((), ("v=DKIM1; p=",), ("v=DKIM1; k=rsa; p=AAAA",)),
            inspect=_dkim,
        ),
    )


def _mx_questions() -> tuple[SimulatedQuestion, ...]:
    return (
        SimulatedQuestion(
            CheckKind.MX,
            DOMAIN,
            "MX",
            right=(_NEW,),
            wrong=_MX_WRONG,
            inspect=_inspect_mx,
            is_new=lambda content: content.is_right,
        ),
        SimulatedQuestion(
            CheckKind.MX_TTL,
            DOMAIN,
            "MX",
            right=(_OLD, _mx("a.client.test", "b.client.test")),
            wrong=(_OLD, ()),
            inspect=_mx_ttl,
            ttl_decides=True,
            is_new=lambda content: content.ttl <= THRESHOLD,
        ),
    )


@functools.cache
def questions() -> Mapping[CheckKind, SimulatedQuestion]:
    """The kinds under test: a wrong verdict of these loses mail or reopens a task."""
    asked = (*_txt_questions(), *_mx_questions())
    return MappingProxyType({question.kind: question for question in asked})
