"""Answers at the border of a zone: opt-out, glue of other zones, and aliases that leave the zone.

BIND serves the zones, each server its own ones. Unbound is the resolver, which validates or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.interop.name_servers import ADDRESSES, COMPLETE, HEAD, Zones, bind_and_unbound
from tests.interop.test_name_servers import MIMECAST, MX, REGION, SPF
from tests.interop.zone_signing import sign_zone

pytestmark = pytest.mark.interop

PASS, WARN, FAIL, UNKNOWN = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN
DOMAIN = "example.test"
RUA = "rua=mailto:dmarc@example.test"
SERVER_NAMES = "".join(f"ns{n}.lab 300 IN A {address}\n" for n, address in enumerate(ADDRESSES, 1))
EVERY_SERVER = "".join(f"example 300 IN NS ns{n}.lab.test.\n" for n in (1, 2, 3))
READY = f'{MX}{SPF}_dmarc 300 IN TXT "v=DMARC1; p=reject; {RUA}"\n'


def run_checks(
    folder: Path,
    zones: Zones,
    kinds: Sequence[CheckKind],
    *,
    domain: str = DOMAIN,
    only: Mapping[int, Zones] = MappingProxyType({}),
    stubs: Mapping[str, Sequence[int]] = MappingProxyType({}),
    anchors: Sequence[str] = (),
) -> list[Outcome]:
    requests = [CheckRequest(kind, domain=domain, region=REGION) for kind in kinds]
    with bind_and_unbound(
        folder, {"mimecast.test": MIMECAST, **zones}, only, stubs=stubs, anchors=anchors
    ) as servers:
        return asyncio.run(
            run_all(requests, network=servers.network, budget_seconds=20, concurrency=4)
        )


def codes(outcome: Outcome) -> list[str]:
    return [finding.code for finding in outcome.findings]


# --- NSEC3 with opt-out: the records of the zone omit unsigned delegations.

KINDS = (CheckKind.MX, CheckKind.SPF, CheckKind.DMARC)
SUBDOMAIN = f"sub.{DOMAIN}"
FILLER = "".join(f"h{number} 300 IN TXT text\n" for number in range(12))
DELEGATED = "".join(f"sub 300 IN NS ns{number}.lab.test.\n" for number in (1, 2, 3))
SUBZONE = READY.replace(RUA, f"{RUA}; psd=n")


def run_opt_out(
    folder: Path, domain: str, *, validating: bool, broken: bool = False
) -> list[Outcome]:
    """The checks of a domain whose zone, or the zone above it, is signed with opt-out."""
    days = (-60, -5) if broken else (-1, 30)
    signed = sign_zone(
        folder / "keys", DOMAIN, f"{READY}{FILLER}{DELEGATED}", days=days, opt_out=True
    )
    zones = {
        "test": f"{SERVER_NAMES}{EVERY_SERVER}{signed.ds}\n",
        DOMAIN: signed.text,
        SUBDOMAIN: SUBZONE,
    }
    anchors = [signed.ds] if validating else []
    return run_checks(folder, zones, KINDS, domain=domain, anchors=anchors)


@pytest.mark.parametrize("validating", [True, False])
@pytest.mark.parametrize("domain", [DOMAIN, SUBDOMAIN])
def test_opt_out_zone_passes(tmp_path: Path, domain: str, validating: bool) -> None:
    outcomes = run_opt_out(tmp_path, domain, validating=validating)

    assert [outcome.verdict for outcome in outcomes] == [PASS, PASS, PASS]


@pytest.mark.parametrize("validating", [True, False])
@pytest.mark.parametrize("domain", [DOMAIN, SUBDOMAIN])
def test_expired_opt_out_zone_never_passes(tmp_path: Path, domain: str, validating: bool) -> None:
    outcomes = run_opt_out(tmp_path, domain, validating=validating, broken=True)

    assert {outcome.verdict for outcome in outcomes} == {UNKNOWN}


# --- Glue of a name server outside the domain.

HOSTED = ADDRESSES[1]


def host_zone(address: str) -> str:
    return (
        f"{COMPLETE}$ORIGIN host.test.\n{HEAD}@ 3600 IN NS ns3.lab.test.\ndns1 300 IN A {address}\n"
    )


def zone_of_host(records: str) -> str:
    return f"{COMPLETE}$ORIGIN {DOMAIN}.\n{HEAD}@ 3600 IN NS dns1.host.test.\n{records}"


OLD_MX = "@ 300 IN MX 10 mail\nmail 300 IN A 192.0.2.9\n"


@pytest.mark.parametrize(
    ("glue", "at_glue", "verdict", "expected"),
    [
        # No glue: the address of the server is in its own zone alone.
        ("", OLD_MX, PASS, set()),
        # Glue of the same address.
        (HOSTED, OLD_MX, PASS, set()),
        # Old glue of a sibling zone, to which resolvers go: its server has the old or the new zone.
        (ADDRESSES[0], OLD_MX, FAIL, {"dns.servers-disagree", "dns.glue-differs"}),
        (ADDRESSES[0], MX, WARN, {"dns.glue-differs"}),
    ],
)
def test_glue_of_sibling_zone(
    tmp_path: Path, glue: str, at_glue: str, verdict: Verdict, expected: set[str]
) -> None:
    """The name server is in another zone of the parent, so that the glue is in its bailiwick."""
    parent = f"{COMPLETE}$ORIGIN test.\n{HEAD}@ 3600 IN NS ns3.lab.test.\n{SERVER_NAMES}"
    parent += "example 3600 IN NS dns1.host\nhost 3600 IN NS ns3.lab\n"
    parent += f"dns1.host 3600 IN A {glue}\n" if glue else ""
    zones = {"test": parent, DOMAIN: "", "host.test": ""}
    only = {
        1: {"test": "", DOMAIN: zone_of_host(at_glue)},
        2: {"test": "", DOMAIN: zone_of_host(MX)},
        3: {"host.test": host_zone(HOSTED)},
    }

    (outcome,) = run_checks(
        tmp_path,
        zones,
        [CheckKind.MX],
        only=only,
        stubs={"test": (3,), "host.test": (3,), DOMAIN: (2,)},
    )

    assert outcome.verdict is verdict
    assert {code for code in codes(outcome) if code.startswith("dns.")} == expected


# --- Aliases that leave the zone of the domain.

OUTSIDE = f'_dmarc.clients 300 IN TXT "v=DMARC1; p=reject; {RUA}"\n'
NAMED = "".join(f"{zone} 300 IN NS ns{{}}.lab.test.\n" for zone in ("one", "two"))


def run_alias(
    folder: Path, target: str, one: str, two: str = "", *, silent: bool = False
) -> Outcome:
    """The DMARC check of a domain whose record is an alias to other servers' zones.

    The first server has the domain, the second the zone `one.test` and the third `two.test`.
    """
    parent = f"{SERVER_NAMES}example 300 IN NS ns1.lab.test.\n"
    parent += "one 300 IN NS ns2.lab.test.\ntwo 300 IN NS ns3.lab.test.\n"
    zones = {DOMAIN: "", "one.test": "", "two.test": "", "test": ""}
    own = f"@ 3600 IN NS ns1.lab.test.\n_dmarc 300 IN CNAME {target}\n{MX}"
    only = {
        1: {DOMAIN: f"{COMPLETE}$ORIGIN {DOMAIN}.\n{HEAD}{own}"},
        2: {} if silent else {"one.test": one},
        3: {"two.test": two, "test": parent},
    }
    stubs = {DOMAIN: (1,), "one.test": (2,), "two.test": (3,), "test": (3,)}
    (outcome,) = run_checks(folder, zones, [CheckKind.DMARC], only=only, stubs=stubs)
    return outcome


@pytest.mark.parametrize(
    ("target", "one", "two", "verdict", "expected"),
    [
        ("_dmarc.clients.one.test.", OUTSIDE, "", PASS, ["dmarc.enforces"]),
        # Through two zones.
        (
            "a.one.test.",
            "a 300 IN CNAME _dmarc.clients.two.test.\n",
            OUTSIDE,
            PASS,
            ["dmarc.enforces"],
        ),
        # The wildcard of the other zone.
        (
            "example-test.one.test.",
            f'* 300 IN TXT "v=DMARC1; p=reject; {RUA}"\n',
            "",
            PASS,
            ["dmarc.enforces"],
        ),
        # The alias leads to a name that does not exist, or has no such record.
        (
            "gone.one.test.",
            OUTSIDE,
            "",
            WARN,
            ["dmarc.none", "dns.alias-without-record"],
        ),
        (
            "clients.one.test.",
            OUTSIDE,
            "",
            WARN,
            ["dmarc.none", "dns.alias-without-record"],
        ),
        # A loop through three zones.
        (
            "a.one.test.",
            "a 300 IN CNAME b.two.test.\n",
            "b 300 IN CNAME _dmarc.example.test.\n",
            UNKNOWN,
            ["dns.alias-unresolved"],
        ),
    ],
)
def test_alias_that_leaves_zone(
    tmp_path: Path, target: str, one: str, two: str, verdict: Verdict, expected: list[str]
) -> None:
    outcome = run_alias(tmp_path, target, one, two)

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


def test_alias_into_refused_zone_is_unknown(tmp_path: Path) -> None:
    """The server of the target does not serve its zone: whether a record exists is unknown."""
    outcome = run_alias(tmp_path, "_dmarc.clients.one.test.", OUTSIDE, silent=True)

    assert (outcome.verdict, outcome.unanimous) == (UNKNOWN, False)
    assert codes(outcome) == ["dns.alias-unresolved"]
    assert outcome.findings[0].params["names"] == ["_dmarc.clients.one.test"]
