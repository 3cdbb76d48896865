"""Test messages: proof of the path through Mimecast, and texts that only resemble it."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime, timedelta

import pytest

from checks.engine.expected_values import DkimSelector, RegionFacts
from checks.engine.mail import dkim, message
from checks.engine.mail.message import MessageInput
from checks.engine.outcomes import Outcome, Verdict
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.mail.signed_messages import (
    AT,
    BODY,
    RECEIVED,
    SELECTOR,
    fields_of,
    joined,
    record,
    signed,
    written,
    zone,
)
from tests.checks.engine.mail.test_dkim import ED25519, SHORT, long_key
from tests.checks.engine.outcomes import codes, params

US = RegionFacts(id="us", spf_include="us._netblocks.mimecast.test")
NAME = f"{SELECTOR}._domainkey.example.test"
SIGNED_THROUGH_REGION = ["message.signed", "message.through-region"]


def run_check(
    content: bytes,
    world: str | ZoneLookup = "",
    *,
    at: datetime = AT,
    not_before: datetime | None = None,
    selectors: tuple[str, ...] = (SELECTOR,),
) -> Outcome:
    lookup = world if isinstance(world, ZoneLookup) else ZoneLookup(world or zone())
    shown = MessageInput(content, at, not_before=not_before)
    chosen = [DkimSelector.read(each) for each in selectors]
    return asyncio.run(message.inspect("example.test", chosen, US, shown, lookup))


def facts(outcome: Outcome) -> dict[str, str]:
    return {fact["name"]: fact["verdict"] for fact in outcome.evidence["facts"]}


def test_signed_message_through_region_passes() -> None:
    outcome = run_check(signed())

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (
        Verdict.PASS,
        True,
        SIGNED_THROUGH_REGION,
    )
    assert facts(outcome) == dict.fromkeys(("signature", "age", "path", "spf", "dmarc"), "pass")


def test_evidence_omits_body_and_subject() -> None:
    evidence = str(run_check(signed(written(Subject="Salaries"), "Secret body\r\n")).evidence)

    assert "Secret" not in evidence
    assert "Salaries" not in evidence
    assert "207.211.31.10" in evidence


def test_check_without_message_is_unknown() -> None:
    lookup = ZoneLookup(zone())

    outcome = asyncio.run(message.inspect("example.test", (), US, None, lookup))

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["message.none"])


def test_line_ends_do_not_matter() -> None:
    outcome = run_check(b"\xef\xbb\xbf\n" + signed().replace(b"\r\n", b"\n"))

    assert outcome.verdict is Verdict.PASS


def test_mbox_envelope_line_is_ignored() -> None:
    assert run_check(b"From ann@example.test Fri Nov 20\n" + signed()).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (signed().partition(b"\r\n\r\n")[0], "message.no-body"),
        (signed() + b"appended\r\n", "message.body-altered"),
        (signed().replace(b"Subject: Test", b"Subject: Best"), "message.headers-altered"),
        (signed(key=1), "message.headers-altered"),
        (signed(signed_at=AT - timedelta(days=8)), "message.too-old"),
        (signed(signed_at=None, covers="from"), "message.undated"),
        (signed(signed_at=AT + timedelta(hours=11)), "message.signature-future"),
        (
            signed(tags={"x": str(int(AT.timestamp()) - 60)}, signed_at=AT - timedelta(hours=1)),
            "message.signature-expired",
        ),
        (signed(tags={"a": "rsa-sha1"}), "message.signature-unreadable"),
        (signed(covers="to:date"), "message.signature-unreadable"),
        (signed(tags={"v": "2"}), "message.signature-unreadable"),
        (signed(tags={"l": "many"}), "message.signature-unreadable"),
        (signed(written("eve@examp1e.test")), "message.other-domain"),
        (signed(written("eve@example.test.evil.test")), "message.other-domain"),
        (signed(written("eve@sub.example.test")), "message.other-domain"),
        (signed(written('"ann@example.test" <eve@evil.test>')), "message.other-domain"),
        (signed(written("ann@example.test, eve@evil.test")), "message.from-unclear"),
        (signed(written("<ann@example.test> <eve@evil.test>")), "message.from-unclear"),
        (b"From: ann@example.test\r\n" + signed(), "message.from-lines"),
        (signed(written("")), "message.from-lines"),
        (b"", "message.unreadable"),
        (b"hello there\r\nhow are you\r\n", "message.unreadable"),
        (b"\x00\xff" * 500, "message.unreadable"),
    ],
)
def test_message_without_proof_is_unknown(content: bytes, found: str) -> None:
    outcome = run_check(content)

    assert (outcome.verdict, outcome.unanimous) == (Verdict.UNKNOWN, False)
    assert codes(outcome) == [found]


def test_message_before_cutover_is_unknown() -> None:
    outcome = run_check(signed(), not_before=AT + timedelta(minutes=1))

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["message.before-cutover"])
    assert facts(outcome)["signature"] == "pass"
    assert facts(outcome)["age"] == "unknown"


def test_added_date_line_does_not_count() -> None:
    old = signed(signed_at=AT - timedelta(days=30))

    outcome = run_check(b"Date: Fri, 20 Nov 2026 11:59:00 +0000\r\n" + old)

    assert codes(outcome) == ["message.too-old"]


def test_two_date_lines_do_not_count() -> None:
    message = signed(written(Date="Fri, 6 Nov 2026 11:59:00 +0000"), signed_at=None)

    outcome = run_check(b"Date: Fri, 20 Nov 2026 11:59:00 +0000\r\n" + message)

    assert codes(outcome) == ["message.undated"]


def test_signed_date_counts_without_t_tag() -> None:
    assert run_check(signed(signed_at=None)).verdict is Verdict.PASS
    assert codes(run_check(signed(signed_at=None), at=AT + timedelta(days=8))) == [
        "message.too-old"
    ]


def test_message_without_selector_is_unknown() -> None:
    outcome = run_check(signed(), selectors=())

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["message.no-selector"])


@pytest.mark.parametrize(
    ("content", "world", "cautions"),
    [
        (signed(tags={"l": "15"}), zone(), ["message.partly-signed"]),
        (
            signed(),
            zone(key=f'{NAME} TXT "{record()}; t=y"'),
            ["message.testing-key"],
        ),
        (signed(written(received="")), zone(), ["message.no-path"]),
        (
            signed(written(received=RECEIVED.replace("207.211.31.10", "8.8.8.8"))),
            zone(),
            ["message.other-path", "message.spf-not-pass"],
        ),
        (signed(), zone(spf='example.test TXT "v=spf1 -all"'), ["message.spf-not-pass"]),
    ],
)
def test_message_cautions_warn(content: bytes, world: str, cautions: list[str]) -> None:
    outcome = run_check(content, world)

    assert (outcome.verdict, outcome.unanimous) == (Verdict.WARN, True)
    reported = [code for code in codes(outcome) if code not in SIGNED_THROUGH_REGION]
    assert reported == cautions


def test_forged_received_lines_prove_nothing() -> None:
    outcome = run_check(joined(written()))

    assert (outcome.verdict, outcome.unanimous) == (Verdict.FAIL, False)
    assert codes(outcome) == ["message.unsigned"]
    assert facts(outcome)["path"] == "pass"


def test_authentication_results_prove_nothing() -> None:
    claims = {
        "Authentication_Results": "mx.outside.test; dkim=pass header.d=example.test",
        "ARC_Seal": "i=1; a=rsa-sha256; cv=none; d=example.test; s=x; b=AAAA",
        "ARC_Message_Signature": f"i=1; a=rsa-sha256; d=example.test; s={SELECTOR}; b=AAAA",
    }

    assert codes(run_check(joined(written(**claims)))) == ["message.unsigned"]


def test_message_of_old_signer_fails() -> None:
    world = zone(old=f'selector1._domainkey.example.test TXT "{record(1)}"')

    outcome = run_check(signed(selector="selector1", key=1), world)

    assert (outcome.verdict, outcome.unanimous) == (Verdict.FAIL, True)
    assert params(outcome, "message.other-signer") == {
        "names": ["selector1._domainkey.example.test"],
        "selectors": [NAME],
    }


def test_platform_selector_never_counts() -> None:
    world = zone(old=f'selector1._domainkey.example.test TXT "{record(1)}"')

    outcome = run_check(signed(selector="selector1", key=1), world, selectors=("selector1",))

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["message.no-selector"])


def test_stale_message_of_old_signer_is_unknown() -> None:
    world = zone(old=f'selector1._domainkey.example.test TXT "{record(1)}"')
    then = AT - timedelta(days=1)

    outcome = run_check(signed(selector="selector1", key=1, signed_at=then), world, not_before=AT)

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["message.before-cutover"])


def test_unsigned_before_cutover_is_unknown() -> None:
    outcome = run_check(joined(written()), not_before=AT)

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["message.before-cutover"])


def test_subdomain_signature_does_not_count() -> None:
    world = zone(sub=f'{SELECTOR}._domainkey.sub.example.test TXT "{record(1)}"')

    outcome = run_check(signed(domain="sub.example.test", key=1), world)

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, ["message.other-signer"])
    assert facts(outcome)["dmarc"] == "pass"


def test_strict_alignment_rejects_subdomain() -> None:
    world = zone(
        sub=f'{SELECTOR}._domainkey.sub.example.test TXT "{record(1)}"',
        dmarc='_dmarc.example.test TXT "v=DMARC1; p=reject; adkim=s; aspf=s"',
    )
    sent = signed(written(return_path="<a@sub.example.test>"), domain="sub.example.test", key=1)

    assert facts(run_check(sent, world))["dmarc"] == "fail"
    assert (
        facts(run_check(sent, f"{world}\nsub.example.test TROUBLE timeout"))["dmarc"] == "unknown"
    )


PARENT = '_dmarc.example.test TXT "v=DMARC1; p=reject"'


@pytest.mark.parametrize(
    ("dmarc", "verdict"),
    [
        (PARENT, "pass"),
        (f'{PARENT}\n_dmarc.sub.example.test TXT "v=DMARC1; p=none"', "pass"),
        # The signing domain, or the sender, is an organisation of its own by RFC 9989.
        (f'{PARENT}\n_dmarc.sub.example.test TXT "v=DMARC1; p=none; psd=n"', "warn"),
        ('_dmarc.example.test TXT "v=DMARC1; p=none; psd=y"', "warn"),
        ('_dmarc.test TXT "v=DMARC1; p=none; psd=y"\n' + PARENT, "pass"),
        # Without any record, each name is its own organisation.
        ('_dmarc.test TXT "v=spf1 -all"', "warn"),
        (f"{PARENT}\n_dmarc.sub.example.test TROUBLE timeout", "unknown"),
        (f"{PARENT}\n_dmarc.test TROUBLE timeout", "pass"),
    ],
)
def test_alignment_by_tree_walk(dmarc: str, verdict: str) -> None:
    world = zone(sub=f'{SELECTOR}._domainkey.sub.example.test TXT "{record(1)}"', dmarc=dmarc)
    sent = signed(written(return_path="<a@none.test>"), domain="sub.example.test", key=1)

    assert facts(run_check(sent, world))["dmarc"] == verdict


def test_difference_of_alignment_is_named() -> None:
    world = zone(
        sub=f'{SELECTOR}._domainkey.sub.example.test TXT "{record(1)}"',
        dmarc=f'{PARENT}\n_dmarc.sub.example.test TXT "v=DMARC1; p=none; psd=n"',
    )
    sent = signed(written(return_path="<a@none.test>"), domain="sub.example.test", key=1)

    outcome = run_check(sent, world)

    assert codes(outcome) == ["message.other-signer", "message.alignment-differs"]
    assert params(outcome, "message.alignment-differs") == {
        "names": ["sub.example.test"],
        "domain": "example.test",
        "aligned_by": "RFC 7489",
        "not_by": "RFC 9989",
    }


def test_alignment_by_rfc_9989_alone_is_named() -> None:
    """A record at the suffix joins the names below it, which the public suffix list separates."""
    world = zone(
        sender='other.test TXT "v=spf1 ip4:207.211.31.0/25 -all"',
        dmarc='_dmarc.test TXT "v=DMARC1; p=reject"',
    )

    outcome = run_check(joined(written(return_path="<a@other.test>")), world)

    assert facts(outcome)["dmarc"] == "warn"
    assert params(outcome, "message.alignment-differs")["not_by"] == "RFC 7489"


def test_foreign_signature_is_not_verified() -> None:
    lookup = ZoneLookup(zone(other=f's._domainkey.evil.test TXT "{record(1)}"'))

    outcome = run_check(signed(domain="evil.test", selector="s", key=1), lookup)

    assert codes(outcome) == ["message.unsigned"]
    assert ("s._domainkey.evil.test", "TXT") not in lookup.asked


def test_second_signature_is_reported() -> None:
    world = zone(old=f'selector1._domainkey.example.test TXT "{record(1)}"')
    both = signed(fields_of(signed(selector="selector1", key=1)))

    outcome = run_check(both, world)

    assert outcome.verdict is Verdict.PASS
    assert params(outcome, "message.also-signed") == {
        "names": ["selector1._domainkey.example.test"]
    }


@pytest.mark.parametrize(
    ("key", "verdict", "found"),
    [
        ("", Verdict.FAIL, "message.key-missing"),
        (f'{NAME} TXT "v=DKIM1; p="', Verdict.FAIL, "message.key-unusable"),
        (f'{NAME} TXT "{record(0, 1024)[:60]}"', Verdict.FAIL, "message.key-unusable"),
        (
            f'{NAME} TXT "{record()}"\n{NAME} TXT "{record(1)}"',
            Verdict.FAIL,
            "message.key-unusable",
        ),
        (f"{NAME} TROUBLE servfail", Verdict.UNKNOWN, "message.key-unanswered"),
    ],
)
def test_missing_key_is_not_unanimous(key: str, verdict: Verdict, found: str) -> None:
    outcome = run_check(signed(), zone(key=key))

    assert (outcome.verdict, outcome.unanimous) == (verdict, False)
    assert codes(outcome) == [found]


def test_unanswered_path_lookups_do_not_fail() -> None:
    world = zone(
        spf="example.test TROUBLE timeout",
        dmarc="_dmarc.example.test TROUBLE timeout",
        region="us._netblocks.mimecast.test TROUBLE timeout",
    )

    outcome = run_check(signed(), world)

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, ["message.signed"])
    assert facts(outcome) == {
        "signature": "pass",
        "age": "pass",
        "path": "unknown",
        "spf": "unknown",
        "dmarc": "unknown",
    }


def test_verified_signatures_are_limited() -> None:
    lookup = ZoneLookup(zone())
    fields = [
        ("DKIM-Signature", f"v=1; a=rsa-sha256; d=example.test; s=s{n}; h=from; bh=AA==; b=AA==")
        for n in range(100)
    ]

    outcome = run_check(joined([*fields, *written()]), lookup)

    assert codes(outcome) == ["message.too-many-signatures"]
    keys = [name for name, rtype in lookup.asked if rtype == "TXT" and "_domainkey" in name]
    assert len(keys) == 20


@pytest.mark.parametrize(
    ("identity", "flags", "verdict", "found"),
    [
        # Field case 17: the key has t=s, and i= is below d=.
        ("@news.example.test", "s", Verdict.FAIL, "message.identity-not-allowed"),
        ("ann@a.b.example.test", "y:s", Verdict.FAIL, "message.identity-not-allowed"),
        ("ann=40x@NEWS.example.test", "s", Verdict.FAIL, "message.identity-not-allowed"),
        ("@news.example.test", "", Verdict.PASS, "message.signed"),
        ("ann@EXAMPLE.test", "s", Verdict.PASS, "message.signed"),
        ("", "s", Verdict.PASS, "message.signed"),
    ],
)
def test_identity_below_domain_of_strict_key(
    identity: str, flags: str, verdict: Verdict, found: str
) -> None:
    key = f'{NAME} TXT "{record()}{"; t=" + flags if flags else ""}"'
    tags = {"i": identity} if identity else {}

    outcome = run_check(signed(tags=tags), zone(key=key))

    assert (outcome.verdict, codes(outcome)[0]) == (verdict, found)


@pytest.mark.parametrize(
    ("recorded", "verdict", "found"),
    [
        (record(), Verdict.PASS, "message.signed"),
        (record().replace("MII", "M II"), Verdict.PASS, "message.signed"),
        (record(1), Verdict.FAIL, "message.key-unusable"),
        (record(0, 1024), Verdict.FAIL, "message.key-unusable"),
        ("p=AAAA", Verdict.FAIL, "message.key-unusable"),
    ],
)
def test_recorded_key_is_compared_as_by_dkim_check(
    recorded: str, verdict: Verdict, found: str
) -> None:
    chosen = f"{SELECTOR}={recorded.partition('p=')[2]}"

    of_key = asyncio.run(
        dkim.inspect("example.test", [DkimSelector.read(chosen)], ZoneLookup(zone()))
    )
    of_message = run_check(signed(), selectors=(chosen,))

    assert (of_key.verdict, of_message.verdict) == (verdict, verdict)
    assert codes(of_message)[0] == found


@pytest.mark.parametrize(
    ("tags", "key"),
    [
        ({}, f"v=DKIM1; k=ed25519; p={ED25519}"),
        ({"a": "ed25519-sha256"}, f"v=DKIM1; k=ed25519; p={ED25519}"),
        ({"a": "ed25519-sha256"}, record()),
    ],
)
def test_ed25519_is_no_fault_for_either_check(tags: dict[str, str], key: str) -> None:
    """The DKIM check accepts such a key with a caution, so the message check must not fail."""
    world = zone(key=f'{NAME} TXT "{key}"')

    of_key = asyncio.run(dkim.inspect("example.test", [DkimSelector(SELECTOR)], ZoneLookup(world)))
    of_message = run_check(signed(tags=tags), world)

    assert of_key.verdict.is_passing
    assert (of_message.verdict, codes(of_message)) == (
        Verdict.UNKNOWN,
        ["message.other-key-type"],
    )


FORWARDED = (
    'multipart/mixed; boundary="b"',
    "--b\r\nContent-Type: text/plain\r\n\r\nsee below\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: ann@example.test\r\n\r\nhello\r\n--b--\r\n",
)


@pytest.mark.parametrize(
    ("sign", "received", "verdict", "found"),
    [
        # Forwarded inside the client's own domain: the outer message has no signature.
        (False, RECEIVED, Verdict.UNKNOWN, "message.forwarded"),
        (False, "", Verdict.UNKNOWN, "message.forwarded"),
        # Signed by the recorded selector, the outer message is a proof of its own.
        (True, RECEIVED, Verdict.PASS, "message.signed"),
    ],
)
def test_forwarded_message_of_own_domain(
    sign: bool, received: str, verdict: Verdict, found: str
) -> None:
    fields = written(received=received, Content_Type=FORWARDED[0])
    content = signed(fields, FORWARDED[1]) if sign else joined(fields, FORWARDED[1])

    outcome = run_check(content)

    assert (outcome.verdict, codes(outcome)[0]) == (verdict, found)


def test_forwarded_message_of_old_signer_fails() -> None:
    """A valid signature proves that the outer message left by another route."""
    world = zone(old=f'selector1._domainkey.example.test TXT "{record(1)}"')
    content = signed(written(Content_Type=FORWARDED[0]), FORWARDED[1], selector="selector1", key=1)

    assert codes(run_check(content, world)) == ["message.other-signer"]


KEYS = [
    record(),
    record() + "; n=“Grüße”",
    record() + "; h=sha256:sha1; s=*; t=s",
    record() + "; s=tlsrpt",
    record() + "; h=sha1",
    record().replace("k=rsa", "k=dsa"),
    record().replace("k=rsa", "k=ed25519"),
    record()[:-60],
    record().replace("p=", "p=; x="),
    record().replace("; k=", ", k="),
    record() + "; p=AAAA",
    record(0, 1024),
    f"v=DKIM1; p={SHORT}",
    f"v=DKIM1; p={long_key(4608)}",
    record().removeprefix("v=DKIM1; "),
    record().replace("v=DKIM1; k=rsa", "k=rsa; v=DKIM1"),
    record().replace("DKIM1", "dkim1"),
    record().replace("MII", "M II"),
    record().replace("MII", "M\u00a0II"),
    record().replace("; ", ";\u00a0"),
    record() + ";;",
    record() + "; 1x=y",
    "v=DKIM1; p=",
]
# The tags of a key, each with values that a lenient and a strict reader treat differently.
KEYS += [
    record().replace("k=rsa", "; ".join(tag for tag in tags if tag))
    for tags in itertools.product(
        ("", "k=rsa", "k=RSA", "k=ed25519", "k=x"),
        ("", "h=sha256", "h=sha1 : sha256", "h=SHA256", "h=sha1"),
        ("", "s=*", "s=email:tlsrpt", "s=tlsrpt : email", "s=Email", "s=tlsrpt"),
        ("", "t=y"),
    )
    if any(tags)
]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_key_is_judged_as_by_dkim_check(key: str) -> None:
    """A record that the DKIM check accepts verifies the signature, and any other does not."""
    bits = 1024 if key == record(0, 1024) else 2048
    published = zone(key=f'{NAME} TXT "{key}"')

    of_key = asyncio.run(
        dkim.inspect("example.test", [DkimSelector(SELECTOR)], ZoneLookup(published))
    )
    of_message = run_check(signed(bits=bits), published)

    is_unusable = codes(of_message) == ["message.key-unusable"]
    assert (of_key.verdict is Verdict.FAIL) is is_unusable
    assert of_message.verdict.is_passing is not is_unusable


@pytest.mark.parametrize(
    ("length", "body", "verdict", "expected"),
    [
        ("5", BODY, Verdict.WARN, "message.partly-signed"),
        (str(len(BODY)), BODY, Verdict.WARN, "message.partly-signed"),
        # More bytes than the body has (RFC 6376 section 3.5).
        (str(len(BODY) + 1), BODY, Verdict.UNKNOWN, "message.signature-unreadable"),
        ("99999", BODY, Verdict.UNKNOWN, "message.signature-unreadable"),
        # The canonical body counts: without the spaces and lines at its end.
        (str(len(BODY) + 4), f"{BODY}\r\n\r\n", Verdict.UNKNOWN, "message.signature-unreadable"),
        (str(len(BODY)), f"{BODY}\r\n\r\n", Verdict.WARN, "message.partly-signed"),
    ],
)
def test_signed_length_of_body(length: str, body: str, verdict: Verdict, expected: str) -> None:
    outcome = run_check(signed(body=body, tags={"l": length}))

    assert outcome.verdict is verdict
    assert expected in codes(outcome)
