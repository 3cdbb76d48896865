"""DKIM: the key at each recorded selector, and every reason that makes it unusable."""

from __future__ import annotations

import asyncio
import base64
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.dns.lookup import LookupFailure, Record, Records
from checks.engine.expected_values import DkimSelector
from checks.engine.mail import dkim
from checks.engine.mail.dkim_keys import DkimKey, InvalidDkimKey, is_key_like, parse
from checks.engine.outcomes import Outcome, Verdict
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import code_params, codes, params

NAME = "mc2026._domainkey.example.test"
# 512 bits, which current tools refuse to create.
SHORT = (
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAQAAECAwEAAQ=="
)


@cache
def rsa_key(bits: int) -> str:
    key = rsa.generate_private_key(65537, bits).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def long_key(bits: int) -> str:
    """A public key of this length. Creating a private one takes seconds."""
    key = rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


GOOD = f"v=DKIM1; k=rsa; p={rsa_key(2048)}"
ED25519 = base64.b64encode(
    ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
).decode()


def run_check(
    zone: str,
    *selectors: str,
    servers: dict[str, str | LookupFailure] | None = None,
) -> Outcome:
    wanted = [DkimSelector.read(text) for text in selectors or ("mc2026",)]
    return asyncio.run(dkim.inspect("example.test", wanted, ZoneLookup(zone, servers=servers)))


def txt(value: str, name: str = NAME) -> str:
    half = len(value) // 2
    return f'{name} TXT "{value[:half]}" "{value[half:]}"\n'


@pytest.mark.parametrize(
    "record",
    [
        GOOD,
        GOOD + ";",
        f"p={rsa_key(2048)}",
        f"k=rsa;t=s;s=email:x;h=sha1 : sha256;n=note; v2=x; p={rsa_key(2048)}",
        f"v=DKIM1; p={rsa_key(2048)[:40]} {rsa_key(2048)[40:]}",
    ],
)
def test_dkim_with_usable_key_passes(record: str) -> None:
    outcome = run_check(txt(record))

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (Verdict.PASS, True, [])
    assert outcome.evidence["keys"] == [
        {"selector": "mc2026", "key_type": "rsa", "bits": 2048, "record": record}
    ]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("example.test MX 10 mail.test", ["dkim.none"]),
        (txt("v=spf1 exp=x.test -all"), ["dkim.not-a-key"]),
        (txt(GOOD) + txt(f"p={SHORT}"), ["dkim.several-records"]),
        (txt("v=DKIM1; k=rsa"), ["dkim.syntax"]),
        (txt(f"k=rsa; v=DKIM1; p={SHORT}"), ["dkim.syntax"]),
        (txt(f"v=DKIM2; p={SHORT}"), ["dkim.syntax"]),
        (txt(f"p={SHORT}; p={SHORT}"), ["dkim.syntax"]),
        (txt(f"v=DKIM1, k=rsa, p={SHORT}"), ["dkim.stray-character"]),
        (txt("v=DKIM1; p="), ["dkim.revoked"]),
        (txt(f"k=dsa; p={SHORT}"), ["dkim.unknown-type"]),
        (txt(GOOD[:-40]), ["dkim.unreadable-key"]),
        (txt(GOOD.replace("k=rsa", "k=RSA")), ["dkim.unknown-type"]),
        (txt(GOOD + "; h=SHA256"), ["dkim.hash-missing"]),
        (txt(f"k=ed25519; p={SHORT}"), ["dkim.unreadable-key"]),
        (txt(f"p={SHORT}"), ["dkim.short-key"]),
        (txt(f"p={long_key(4608)}"), ["dkim.long-key"]),
        (txt(GOOD + "; s=tlsrpt"), ["dkim.not-for-mail"]),
        (txt(GOOD + "; h=sha1"), ["dkim.hash-missing"]),
        (txt(GOOD + "; h="), ["dkim.hash-missing"]),
        (txt(GOOD + "; s= "), ["dkim.not-for-mail"]),
        (txt(GOOD, NAME + ".example.test"), ["dkim.none", "dkim.zone-doubled"]),
        (txt(GOOD, "mc2026.example.test"), ["dkim.none", "dkim.other-name"]),
    ],
)
def test_dkim_fails(zone: str, expected: list[str]) -> None:
    outcome = run_check(zone)

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (Verdict.FAIL, True, expected)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (GOOD.replace("MII", "MI\u00a0I"), "a no-break space (U+00A0)"),
        (GOOD + "\u2003", "the character U+2003"),
        (GOOD + ";\u00a0", "a no-break space (U+00A0)"),
        (GOOD.replace("k=rsa", "k=rsa\u200b"), "a zero-width space (U+200B)"),
        (GOOD.replace("; k", ";\u00a0k"), "a no-break space (U+00A0)"),
        ("\ufeff" + GOOD, "a byte order mark (U+FEFF)"),
        (GOOD.replace("MII", "MI\x0bI"), "the character U+000B"),
        (GOOD.replace("MII", "M“I"), "a curly quotation mark (“)"),
        (GOOD.replace("p=", "p=“") + "”", "a curly quotation mark (“)"),
        (GOOD + "; n=Schlüssel", "the character ü (U+00FC)"),
        (GOOD.replace("MII", "MI,I"), "a comma (,)"),
        (GOOD.replace(";", "\\;"), "a backslash (\\)"),
        (f'"{GOOD}"', 'a quotation mark (")'),
        (f"“p={rsa_key(2048)}”", "a curly quotation mark (“)"),
    ],
)
def test_stray_character_in_key_is_named(record: str, problem: str) -> None:
    answer = Records((Record(NAME, "TXT", 300, record),))

    judged = dkim.judge("example.test", DkimSelector("mc2026"), answer)

    assert (judged.verdict, code_params(judged.findings)) == (
        Verdict.FAIL,
        [("dkim.stray-character", {"name": NAME, "problem": problem})],
    )


@pytest.mark.parametrize("note", ["it's “plain”".replace("“", '"').replace("”", '"'), "a,b\tc"])
def test_note_of_key_may_have_any_ascii(note: str) -> None:
    answer = Records((Record(NAME, "TXT", 300, f"{GOOD}; n={note}"),))

    assert dkim.judge("example.test", DkimSelector("mc2026"), answer).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (txt(f"p={rsa_key(1024)}"), ["dkim.weak-key"]),
        (txt(f"k=ed25519; p={ED25519}"), ["dkim.ed25519"]),
        (txt(GOOD + "; t=y:s"), ["dkim.testing"]),
        (txt(GOOD) + txt("hello"), ["dkim.other-records"]),
    ],
)
def test_dkim_warns(zone: str, expected: list[str]) -> None:
    outcome = run_check(zone)

    assert (outcome.verdict, codes(outcome)) == (Verdict.WARN, expected)


def test_dkim_follows_alias_to_signer_zone() -> None:
    outcome = run_check(f"{NAME} CNAME key.signer.test\n" + txt(GOOD, "key.signer.test"))

    assert outcome.verdict is Verdict.PASS
    assert outcome.evidence["servers"][0]["aliases"] == ["key.signer.test"]


def test_dkim_other_key_than_recorded_fails() -> None:
    same, other = f"mc2026={rsa_key(2048)}", f"mc2026={rsa_key(1024)}"

    assert codes(run_check(txt(GOOD), same)) == []
    assert codes(run_check(txt(GOOD), other)) == ["dkim.other-key"]


def test_dkim_needs_every_selector() -> None:
    outcome = run_check(txt(GOOD), "mc2026", "mc2027")

    assert (outcome.verdict, outcome.unanimous) == (Verdict.FAIL, True)
    assert params(outcome, "dkim.none") == {"name": "mc2027._domainkey.example.test"}


def test_dkim_reports_old_signers() -> None:
    old = txt(GOOD, "selector1._domainkey.example.test")

    outcome = run_check(txt(GOOD) + old + txt("v=DKIM1; p=", "google._domainkey.example.test"))

    assert (outcome.verdict, codes(outcome)) == (Verdict.PASS, ["dkim.old-signers"])
    assert params(outcome, "dkim.old-signers") == {"names": ["selector1._domainkey.example.test"]}
    assert run_check(old).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("other", "verdict", "expected"),
    [
        ("", Verdict.FAIL, ["dns.servers-disagree", "dkim.none"]),
        (LookupFailure("timeout"), Verdict.UNKNOWN, ["dns.server-silent"]),
    ],
)
def test_dkim_on_some_servers_is_not_unanimous(
    other: str | LookupFailure, verdict: Verdict, expected: list[str]
) -> None:
    outcome = run_check(txt(GOOD), servers={"ns1.dns.test": txt(GOOD), "ns2.dns.test": other})

    assert (outcome.verdict, outcome.unanimous, codes(outcome)) == (verdict, False, expected)


def test_dkim_without_selector_is_unknown() -> None:
    outcome = asyncio.run(dkim.inspect("example.test", (), ZoneLookup(txt(GOOD))))

    assert (outcome.verdict, outcome.unanimous) == (Verdict.UNKNOWN, False)


@given(st.text() | st.from_regex(r"(v=DKIM1; ?)?([kpsth]=[A-Za-z0-9+/=: ]*;? ?){0,5}"))
def test_dkim_parse_never_raises(text: str) -> None:
    assert isinstance(parse(text), DkimKey | InvalidDkimKey)
    assert is_key_like(text) in (True, False)


@given(st.binary(max_size=400))
def test_dkim_parse_of_any_key_never_raises(content: bytes) -> None:
    key = parse("p=" + base64.b64encode(content).decode())

    assert isinstance(key, DkimKey)


@pytest.mark.parametrize(
    ("text", "selector", "well_formed"),
    [
        ("mimecast20261101", DkimSelector("mimecast20261101"), True),
        ("MC2026._domainkey.example.test", DkimSelector("mc2026"), True),
        ("mc.eu=MIIB", DkimSelector("mc.eu", "MIIB"), True),
        ("two words", DkimSelector("two words"), False),
        ("a..b", DkimSelector("a..b"), False),
        ("", DkimSelector(""), False),
    ],
)
def test_selector_read_accepts_pasted_names(
    text: str, selector: DkimSelector, well_formed: bool
) -> None:
    assert (DkimSelector.read(text), DkimSelector.read(text).is_well_formed) == (
        selector,
        well_formed,
    )


def test_dkim_one_certain_fault_is_unanimous() -> None:
    servers: dict[str, str | LookupFailure] = {"ns1.dns.test": txt(GOOD), "ns2.dns.test": ""}

    outcome = run_check(txt(GOOD), "mc2026", "mc2027", servers=servers)

    assert (outcome.verdict, outcome.unanimous) == (Verdict.FAIL, True)
