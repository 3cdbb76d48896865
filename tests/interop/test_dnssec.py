"""DNSSEC against BIND, with a resolver that validates (Unbound) and one that does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.zone
import pytest

from checks.engine.batch import CheckRequest, run_all
from checks.engine.expected_values import DkimSelector, RegionFacts
from checks.engine.mail.message import MessageInput
from checks.engine.outcomes import CheckKind, Outcome, Verdict
from tests.checks.engine.mail.signed_messages import (
    AT,
    RECEIVED,
    SELECTOR,
    record,
    signed,
    written,
)
from tests.interop.name_servers import ADDRESSES, COMPLETE, Zones, bind_and_unbound
from tests.interop.zone_signing import sign_zone

pytestmark = pytest.mark.interop

DOMAIN = "example.test"
HOSTS = ("us-smtp-inbound-1.mimecast.test", "us-smtp-inbound-2.mimecast.test")
REGION = RegionFacts("us", "United States", HOSTS, "us._netblocks.mimecast.test")
MIMECAST = """us._netblocks 300 IN TXT "v=spf1 ip4:192.0.2.0/24 ~all"
us-smtp-inbound-1 300 IN A 192.0.2.1
us-smtp-inbound-2 300 IN A 192.0.2.2
"""
RECORDS = f"""@ 300 IN MX 10 {HOSTS[0]}.
@ 300 IN MX 10 {HOSTS[1]}.
@ 300 IN TXT "v=spf1 include:us._netblocks.mimecast.test -all"
_dmarc 300 IN TXT "v=DMARC1; p=reject"
"""
DELEGATION = "".join(f"ns{n}.lab 300 IN A {address}\n" for n, address in enumerate(ADDRESSES, 1))
DELEGATION += "".join(f"example 300 IN NS ns{n}.lab.test.\n" for n in (1, 2, 3))
KINDS = (CheckKind.MX, CheckKind.SPF, CheckKind.DMARC)


def run_checks(folder: Path, zone: str, ds: str, *, validating: bool) -> dict[CheckKind, Outcome]:
    zones: Zones = {"mimecast.test": MIMECAST, "test": f"{DELEGATION}{ds}\n", DOMAIN: zone}
    requests = [CheckRequest(kind, domain=DOMAIN, region=REGION) for kind in KINDS]
    anchors = [ds] if validating and ds else []
    with bind_and_unbound(folder, zones, {}, anchors=anchors) as servers:
        outcomes = asyncio.run(
            run_all(requests, network=servers.network, budget_seconds=20, concurrency=4)
        )
    return dict(zip(KINDS, outcomes, strict=True))


@pytest.mark.parametrize("validating", [True, False])
def test_valid_signatures_pass(tmp_path: Path, validating: bool) -> None:
    signed = sign_zone(tmp_path / "keys", DOMAIN, RECORDS)

    outcomes = run_checks(tmp_path, signed.text, signed.ds, validating=validating)

    assert {outcome.verdict for outcome in outcomes.values()} == {Verdict.PASS}


@pytest.mark.parametrize("validating", [True, False])
@pytest.mark.parametrize(
    ("algorithm", "has_zone_key"),
    [
        ("RSASHA1", False),
        ("RSASHA256", True),
        ("RSASHA512", False),
        ("ECDSAP384SHA384", True),
        ("ED25519", False),
        ("ED448", True),
    ],
)
def test_each_algorithm_passes(
    tmp_path: Path, algorithm: str, has_zone_key: bool, validating: bool
) -> None:
    signed = sign_zone(
        tmp_path / "keys", DOMAIN, RECORDS, algorithm=algorithm, has_zone_key=has_zone_key
    )

    outcomes = run_checks(tmp_path, signed.text, signed.ds, validating=validating)

    assert {outcome.verdict for outcome in outcomes.values()} == {Verdict.PASS}


@pytest.mark.parametrize("validating", [True, False])
def test_one_unsigned_record_set(tmp_path: Path, validating: bool) -> None:
    """The signature of the MX records is missing, and those of all others are valid."""
    signed = sign_zone(tmp_path / "keys", DOMAIN, RECORDS)
    parsed = dns.zone.from_text(signed.text, origin=DOMAIN, relativize=False)
    apex = parsed.nodes[dns.name.from_text(DOMAIN)]
    apex.delete_rdataset(dns.rdataclass.IN, dns.rdatatype.RRSIG, dns.rdatatype.MX)
    text = COMPLETE + parsed.to_text()

    outcomes = run_checks(tmp_path, text, signed.ds, validating=validating)

    assert {kind: outcome.verdict for kind, outcome in outcomes.items()} == {
        CheckKind.MX: Verdict.UNKNOWN,
        CheckKind.SPF: Verdict.PASS,
        CheckKind.DMARC: Verdict.PASS,
    }
    assert "dns.dnssec-signature-missing" in [each.code for each in outcomes[CheckKind.MX].findings]


# Field case 23.
@pytest.mark.parametrize("validating", [True, False])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("expired", "dns.dnssec-expired"),
        ("future", "dns.dnssec-not-yet-valid"),
        ("other key", "dns.dnssec-no-matching-key"),
        ("unsigned", "dns.dnssec-no-matching-key"),
    ],
)
def test_rejected_zone_never_passes(
    tmp_path: Path, fault: str, expected: str, validating: bool
) -> None:
    days = {"expired": (-60, -5), "future": (5, 60)}.get(fault, (-1, 30))
    signed = sign_zone(tmp_path / "keys", DOMAIN, RECORDS, days=days)
    zone = RECORDS if fault == "unsigned" else signed.text
    ds = signed.ds
    if fault == "other key":
        ds = sign_zone(tmp_path / "others", DOMAIN, RECORDS).ds

    outcomes = run_checks(tmp_path, zone, ds, validating=validating)

    assert {outcome.verdict for outcome in outcomes.values()} == {Verdict.UNKNOWN}
    for outcome in outcomes.values():
        assert expected in [finding.code for finding in outcome.findings]


MAIL_HOST = "mail.example.test"


@pytest.mark.parametrize("validating", [True, False])
@pytest.mark.parametrize(
    ("days", "verdict"), [((-1, 30), Verdict.PASS), ((-60, -5), Verdict.UNKNOWN)]
)
def test_message_and_host_of_rejected_zone(
    tmp_path: Path, days: tuple[int, int], verdict: Verdict, validating: bool
) -> None:
    """The checks that use the resolvers' answers need a validating query, too."""
    zone = f"{RECORDS}mail 300 IN A 127.54.0.77\n{SELECTOR}._domainkey 300 IN TXT {key_strings()}\n"
    signed_zone = sign_zone(tmp_path / "keys", DOMAIN, zone, days=days)
    fields = written(received=RECEIVED.replace("207.211.31.10", "192.0.2.44"))
    shown = MessageInput(signed(fields), AT)
    requests = [
        CheckRequest(
            CheckKind.MESSAGE,
            domain=DOMAIN,
            region=REGION,
            selectors=(DkimSelector(SELECTOR),),
            message=shown,
        ),
        CheckRequest(CheckKind.SMTP, host=MAIL_HOST),
    ]
    zones: Zones = {
        "mimecast.test": MIMECAST,
        "test": f"{DELEGATION}{signed_zone.ds}\n",
        DOMAIN: signed_zone.text,
    }
    anchors = [signed_zone.ds] if validating else []
    with bind_and_unbound(tmp_path, zones, {}, anchors=anchors) as servers:
        message, host = asyncio.run(
            run_all(requests, network=servers.network, budget_seconds=20, concurrency=4)
        )

    assert message.verdict is verdict
    # No host listens at the address, so the verdict is UNKNOWN in both cases.
    expected = {
        Verdict.PASS: "smtp.unreachable-from-here",
        Verdict.UNKNOWN: "host.could-not-resolve",
    }
    assert [finding.code for finding in host.findings] == [expected[verdict]]
    if verdict is Verdict.UNKNOWN:
        reasons = {finding.params["reason"] for finding in (*message.findings, *host.findings)}
        assert reasons <= {"dnssec-expired", "dnssec-rejected"}


def key_strings() -> str:
    text = record()
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))


# The names between the apex and _dmarc in the order of NSEC and of NSEC3 records: without their
# records, those of the apex do not deny _dmarc.
BETWEEN = "".join(f"_{letter} 300 IN TXT text\n" for letter in "abcdefghijkl")
MAIL_RECORDS = [line for line in RECORDS.splitlines(keepends=True) if "_dmarc" not in line]
WITHOUT_DMARC = BETWEEN + "".join(MAIL_RECORDS)
WITH_WILDCARD = WITHOUT_DMARC + '*.example.test. 300 IN TXT "v=DMARC1; p=reject"\n'


@pytest.mark.parametrize("validating", [True, False])
@pytest.mark.parametrize("hashed_denial", [True, False])
@pytest.mark.parametrize(
    ("records", "proven", "unproven"),
    [
        (WITHOUT_DMARC, Verdict.WARN, Verdict.UNKNOWN),
        # The record of a wildcard exists only where no closer name is.
        (WITH_WILDCARD, Verdict.PASS, Verdict.UNKNOWN),
    ],
)
def test_absence_needs_proof(
    tmp_path: Path,
    records: str,
    proven: Verdict,
    unproven: Verdict,
    hashed_denial: bool,
    validating: bool,
) -> None:
    signed = sign_zone(tmp_path / "keys", DOMAIN, records, hashed_denial=hashed_denial)
    without = without_denial(signed.text)
    verdicts = []
    for number, text in enumerate((signed.text, without)):
        folder = tmp_path / f"servers{number}"
        folder.mkdir()
        outcome = run_checks(folder, text, signed.ds, validating=validating)[CheckKind.DMARC]
        verdicts.append(outcome.verdict)

    assert without != signed.text
    assert verdicts == [proven, unproven]
    assert "dns.dnssec-denial-unproven" in [finding.code for finding in outcome.findings]


def without_denial(zone: str) -> str:
    """The signed zone without the NSEC and NSEC3 records of all names except the apex.

    BIND adds no signatures to the answers of a zone that has none of these records.
    """
    parsed = dns.zone.from_text(zone, origin=DOMAIN, relativize=False)
    for node in parsed.nodes.values():
        for rdtype in (dns.rdatatype.NSEC, dns.rdatatype.NSEC3):
            records = node.get_rdataset(dns.rdataclass.IN, rdtype)
            if records and "SOA" not in records[0].to_text():
                node.delete_rdataset(dns.rdataclass.IN, rdtype)
                node.delete_rdataset(dns.rdataclass.IN, dns.rdatatype.RRSIG, rdtype)
    return COMPLETE + parsed.to_text()


def test_signatures_without_ds_pass(tmp_path: Path) -> None:
    """A zone without a DS record at its parent is unsigned for every resolver."""
    signed = sign_zone(tmp_path / "keys", DOMAIN, RECORDS, days=(-60, -5))

    outcomes = run_checks(tmp_path, signed.text, "", validating=False)

    assert outcomes[CheckKind.MX].verdict is Verdict.PASS
