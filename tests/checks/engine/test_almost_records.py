"""Texts that were meant as a record: the spoiling character is named, and the terms remain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.almost_records import almost, clean, with_spaces
from checks.engine.outcomes import Verdict
from checks.engine.spf.repair import repair
from checks.engine.spf.terms import SpfPolicy, parse, select
from tests.checks.engine.outcomes import codes, params
from tests.checks.engine.spf.test_check import INCLUDE, run_check

OWN = "include:spf.protection.outlook.com ip4:192.0.2.10"
OUTLOOK = 'spf.protection.outlook.com TXT "v=spf1 ip4:40.92.0.0/15 -all"\n'
SPOILED = [
    # Field case 16.
    (f'"v=spf1 {OWN} -all"', 'a quotation mark (")'),
    (f"v=spf1\u00a0{OWN} -all", "a no-break space (U+00A0)"),
    (f"“v=spf1 {OWN} -all”", "a curly quotation mark (“)"),
    (f"\ufeffv=spf1 {OWN} -all", "a byte order mark (U+FEFF)"),
    (f"\u200bv=spf1 {OWN} -all", "a zero-width space (U+200B)"),
    (f"v=spf1\t{OWN} -all", "a tab (U+0009)"),
    (f"v=spf1,{OWN.replace(' ', ',')},-all", "a comma (,)"),
    (f"'v=spf1 {OWN} -all'", "an apostrophe (')"),
    (f" v=spf1 {OWN} -all", "a space at its start"),
    (f"v = spf1 {OWN} -all", "“v = spf1 inc”"),
    (f"v=spf1{OWN} -all", "“v=spf1includ”"),
    (f"spf1 {OWN} -all", "“spf1 include”"),
    (f"v=spf1\u2003{OWN} -all", "the character U+2003"),
    (f"v=spf1 {OWN} -all".replace(" ", "\\032"), "an escaped space of a zone file (\\032)"),
    (f"v=spf1\\032{OWN} -all", "an escaped space of a zone file (\\032)"),
    (f"v=spf1\\194\\160{OWN} -all", "an escaped character of a zone file (\\194)"),
    (f"\\034v=spf1 {OWN} -all\\034", "an escaped character of a zone file (\\034)"),
    (f"v=spf1\\009{OWN}\\032\\032-all", "an escaped character of a zone file (\\009)"),
]


@pytest.mark.parametrize(("text", "problem"), SPOILED)
def test_spoiled_spf_record_keeps_its_terms(text: str, problem: str) -> None:
    found = almost("spf", text)

    assert found is not None
    assert (found.meant, found.problem) == (f"v=spf1 {OWN} -all", problem)


PARTS = ["v=spf1", *OWN.split(), "-all"]


@pytest.mark.parametrize(
    "text",
    [
        f"SPF v=spf1 {OWN} -all",
        f"<v=spf1 {OWN} -all>",
        f"(v=spf1 {OWN} -all)",
        f"txt = v=spf1 {OWN} -all",
        f"spf=v=spf1 {OWN} -all",
        f"TXT @ v=spf1 {OWN} -all",
        f"vspf1 {OWN} -all",
        *(sign.join(PARTS) for sign in ("_", "+", "%20", "&nbsp;", "|", "/", "=", "\\n", " \\n")),
        f"v=spf1—{OWN} -all",
        f"v=spf1-{OWN} -all",
        f"v=spf1 –{OWN} –all",
    ],
)
def test_other_separators_keep_every_term(text: str) -> None:
    found = almost("spf", text)

    assert found is not None
    assert repair(found.meant).text == f"v=spf1 {OWN} -all"


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 include:_spf.a.test exists:%{i}_mx.a.test a/24 mx/24 +mx ?a -all",
        "v=spf1 -include:bad.test mx -all",
        "v=spf1 include:a-mx.test include:x_a.test redirect=_spf.a.test",
        "v=spf1 exists:%{l1r-}.%{d+}.a.test ~all",
    ],
)
def test_valid_terms_are_unchanged(text: str) -> None:
    assert with_spaces(text) == text


@pytest.mark.parametrize("text", [f'\\"v=spf1 {OWN} -all\\"', f"“v=spf1 {OWN} -all”"])
def test_spoiled_spf_fails_with_complete_proposal(text: str) -> None:
    outcome = run_check(text, OUTLOOK)

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, ["spf.almost"])
    assert outcome.evidence["proposed_record"] == f"v=spf1 {OWN} {INCLUDE} -all"


@pytest.mark.parametrize(
    ("record", "term", "problem"),
    [
        (f"v=spf1 {OWN}, {INCLUDE} -all", "ip4:192.0.2.10,", "a comma (,)"),
        (f"v=spf1 {OWN} “{INCLUDE}” -all", f"“{INCLUDE}”", "a curly quotation mark (“)"),
        (f"v=spf1 {OWN} {INCLUDE} −all", "−all", "the character − (U+2212)"),
        (
            f"v=spf1 {OWN}\\\\032{INCLUDE} -all",
            f"ip4:192.0.2.10\\032{INCLUDE}",
            "an escaped space of a zone file (\\032)",
        ),
        (
            f"v=spf1 {INCLUDE}\\\\032-all",
            f"{INCLUDE}\\032-all",
            "an escaped space of a zone file (\\032)",
        ),
    ],
)
def test_stray_character_in_term_is_named(record: str, term: str, problem: str) -> None:
    outcome = run_check(record, OUTLOOK)

    assert (outcome.verdict, codes(outcome)) == (
        Verdict.FAIL,
        ["spf.syntax", "spf.stray-character"],
    )
    assert params(outcome, "spf.syntax") == {"term": term}
    assert params(outcome, "spf.stray-character") == {"problem": problem}


@pytest.mark.parametrize(
    "record",
    [
        f"v=spf1\\\\032{OWN} -all",
        f"v=spf1 {OWN}\\\\032-all",
        f"v=spf1\\\\032{OWN}\\\\032-all".replace(" ", "\\\\032"),
        f"v=spf1 {OWN} \\\\032-all",
    ],
)
def test_escaped_spaces_keep_every_term_of_the_client(record: str) -> None:
    outcome = run_check(record, OUTLOOK)

    assert outcome.verdict is Verdict.FAIL
    assert outcome.evidence["proposed_record"] == f"v=spf1 {OWN} {INCLUDE} -all"


@pytest.mark.parametrize(("sign", "name"), [(",", "a comma (,)"), (";", "a semicolon (;)")])
def test_sign_between_includes_is_named(sign: str, name: str) -> None:
    outcome = run_check(
        f"v=spf1 include:spf.protection.outlook.com{sign}include:b.test -all", OUTLOOK
    )

    expected = "v=spf1 include:spf.protection.outlook.com include:b.test"
    assert codes(outcome) == ["spf.include-without-record", "spf.stray-character"]
    assert params(outcome, "spf.stray-character") == {"problem": name}
    assert outcome.evidence["proposed_record"] == f"{expected} {INCLUDE} -all"


def test_proposal_for_list_with_commas_is_valid() -> None:
    outcome = run_check(f"v=spf1 {OWN.replace(' ', ', ')}, -all", OUTLOOK)

    assert outcome.evidence["proposed_record"] == f"v=spf1 {OWN} {INCLUDE} -all"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("spf", "v=spf10 -all"),
        ("spf", "google-site-verification=spf1"),
        ("dmarc", "hello"),
        ("dmarc", "policy=none"),
        ("mta-sts", "v=STSv"),
        ("spf", ""),
    ],
)
def test_other_text_is_no_record(kind: str, text: str) -> None:
    assert almost(kind, text) is None


@pytest.mark.parametrize(
    ("kind", "text", "meant"),
    [
        ("dmarc", '"v=DMARC1; p=none"', "v=DMARC1; p=none"),
        ("dmarc", "v=DMARC1\\; p=none", "v=DMARC1; p=none"),
        ("dmarc", "v=DMARC1\\059\\032p=none", "v=DMARC1; p=none"),
        ("mta-sts", "v=STSv1;\\032id=1", "v=STSv1; id=1"),
        ("mta-sts", "“v=STSv1; id=1”", "v=STSv1; id=1"),
    ],
)
def test_every_kind_is_recognised(kind: str, text: str, meant: str) -> None:
    found = almost(kind, text)

    assert found is not None
    assert found.meant == meant


WITHOUT_VERSION = [
    ("spf", "v=spf1;mx -all"),
    ("spf", "v==spf1 mx -all"),
    ("spf", "v:spf1 mx -all"),
    ("spf", "v=spf1. mx -all"),
    ("spf", "v=sp f1 mx -all"),
    ("spf", "v=sfp1 mx -all"),
    ("spf", "v=spf mx -all"),
    ("spf", "=spf1 mx -all"),
    ("spf", "mx -all"),
    ("spf", "@ 3600 IN TXT v=spf1 mx -all"),
    ("spf", "spf: v=spf1 mx -all"),
    ("spf", "ｖ=ｓｐｆ１ mx -all"),
    ("dmarc", "DMARC1; p=none"),
    ("dmarc", "=DMARC1; p=none"),
    ("dmarc", "v=dmarc1; p=none"),
    ("dmarc", "v = DMARC 1; p=none"),
    ("dmarc", "v=DMARC1, p=none"),
    ("dmarc", "v=DMA RC1; p=none"),
    ("dmarc", "v-DMARC1; p=none"),
    ("dmarc", "v=DMARC; p=none"),
    ("dmarc", "v=DMARC1 p=none"),
    ("dmarc", "p=none; v=DMARC1"),
    ("dmarc", "p=none"),
    ("dmarc", "_dmarc.example.test TXT v=DMARC1; p=none"),
    ("dmarc", "v=“DMARC1”; p=none"),
    ("dmarc", "v=DMARC1\u037e p=none"),
    ("mta-sts", "v=stsv1; id=1"),
    ("mta-sts", "STSv1; id=1"),
    ("mta-sts", "v=STS1; id=1"),
    ("mta-sts", "v=STSv1 id=1"),
    ("mta-sts", "v=STSv 1, id=1"),
    ("mta-sts", "id=1; v=STSv1"),
    ("mta-sts", "id=1"),
    ("mta-sts", "_mta-sts TXT v=STSv1\u00a0; id=1"),
]
OTHER_VERSIONS = [
    *(
        ("spf", f"v={word} mx -all")
        for word in ("spf2", "spf10", "spf11", "spfl", "spfI", "SPFv1", "spf-1", "spf1.0", "1")
    ),
    # Cyrillic letters.
    ("spf", "v=\u0455pf1 mx -all"),
    ("spf", "v=s\u0440f1 mx -all"),
    ("spf", "V = SPFI mx, -all"),
    *(("dmarc", f"v={word}; p=none") for word in ("DMARC2", "DMARC11", "DMARCl", "DMRC1", "1")),
    ("dmarc", "v=D\u041cARC1; p=none"),
    *(
        ("mta-sts", f"v={word}; id=1")
        for word in ("STSv2", "STSv11", "STSvl", "TLSSTS1", "ST\u0405v1")
    ),
]
RESTORED = {
    "spf": "v=spf1 mx -all",
    "dmarc": "v=DMARC1; p=none",
    "mta-sts": "v=STSv1; id=1",
}


@pytest.mark.parametrize(("kind", "text"), WITHOUT_VERSION + OTHER_VERSIONS)
def test_mistaken_version_is_recognised(kind: str, text: str) -> None:
    found = almost(kind, text)

    assert found is not None
    assert (found.meant, bool(found.problem)) == (RESTORED[kind], True)


@pytest.mark.parametrize("version", ["spf2", "spf11", "spfl", "spfI", "SPFv1", "\u0455pf1"])
def test_proposal_for_another_version_keeps_every_sender(version: str) -> None:
    outcome = run_check(f"v={version} include:spf.protection.outlook.com -all", OUTLOOK)

    assert (outcome.verdict, codes(outcome)) == (Verdict.FAIL, ["spf.almost"])
    proposed = f"v=spf1 include:spf.protection.outlook.com {INCLUDE} -all"
    assert outcome.evidence["proposed_record"] == proposed


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("spf", "v=spf2 is no version -all"),
        ("spf", "v=verification mx"),
        ("spf", "v=DMARC1 mx -all"),
        ("spf", "v=spf2"),
        ("spf", "spf2.0/pra mx -all"),
        ("spf", "a mx"),
        ("spf", "call me -all"),
        ("spf", "v=DMARC1; p=none"),
        ("dmarc", "v=DKIM1; p=none"),
        ("dmarc", "v=BIMI1; p=none"),
        ("dmarc", "v=X1; p=MIIB"),
        ("mta-sts", "v=DMARC1; id=1"),
        ("mta-sts", "v=X1; id=a-b"),
        ("dmarc", "v=spf1 -all"),
        ("dmarc", "group=none"),
        ("mta-sts", "v=TLSRPTv1; rua=mailto:a@b.test"),
        ("mta-sts", "v=spf1 -all"),
        ("mta-sts", "grid=1"),
    ],
)
def test_text_of_another_kind_is_no_record(kind: str, text: str) -> None:
    assert almost(kind, text) is None


@given(st.text(max_size=60), st.sampled_from(["spf", "dmarc", "mta-sts"]))
def test_recogniser_never_raises(text: str, kind: str) -> None:
    found = almost(kind, text)

    assert found is None or found.meant
    assert clean(clean(text)) == clean(text)


terms = st.sampled_from(["mx", "a", "ip4:192.0.2.0/24", "include:mail.test", "-all", "~all"])


@given(
    st.lists(terms, min_size=1, max_size=5),
    st.sampled_from(['"', "“", "\ufeff", "\u200b", "„"]),
    st.sampled_from([" ", "\t", "\u00a0", ", ", " , "]),
)
def test_spoiled_record_is_restored(parts: list[str], quote: str, separator: str) -> None:
    text = quote + separator.join(["v=spf1", *parts]) + quote

    found = almost("spf", text)

    assert found is not None
    assert found.meant == " ".join(["v=spf1", *parts])
    assert isinstance(parse(found.meant), SpfPolicy)
    assert select([found.meant])
