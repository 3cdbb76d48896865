"""Domain names as people type them, and their canonical spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.errors import BadName, TenantError
from tenants.names import (
    display_domain,
    labels_outside_idna,
    normalise_domain,
    normalise_host,
    normalise_hostname,
    normalise_registered_domain,
)

LONG_LABEL = "a" * 64
LONGEST = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])


@pytest.mark.parametrize(
    ("typed", "normalised"),
    [
        ("example.com", "example.com"),
        ("  Example.COM.  ", "example.com"),
        ("MÜNCHEN.example", "xn--mnchen-3ya.example"),
        ("xn--MNCHEN-3ya.example", "xn--mnchen-3ya.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("ｅｘａｍｐｌｅ．ｃｏｍ", "example.com"),
        ("exam\u00adple.com", "example.com"),
        ("contoso.onmicrosoft.com", "contoso.onmicrosoft.com"),
        ("r3---sn.example.com", "r3---sn.example.com"),
        ("1and1.example", "1and1.example"),
        (LONGEST, LONGEST),
        (f"{LONGEST}.", LONGEST),
    ],
)
def test_name_has_one_spelling(typed: str, normalised: str) -> None:
    assert normalise_domain(typed) == normalised
    assert normalise_hostname(typed) == normalised


@pytest.mark.parametrize(
    ("typed", "sentence", "suggestion"),
    [
        ("", "Enter a domain name, such as example.com.", ""),
        ("  \t", "Enter a domain name, such as example.com.", ""),
        (
            "exam ple.com",
            "“exam ple.com” contains a space, which a domain name cannot. "
            "Did you mean example.com?",
            "example.com",
        ),
        (
            "a.com b.com",
            "“a.com b.com” has several names in it; enter one domain name at a time.",
            "",
        ),
        (
            "i❤.example",
            "“i❤” contains “❤” (U+2764), which a domain name cannot. If the domain is registered, "
            "enter this part as xn--i-7iq.",
            "",
        ),
        (
            "exa\u200bmple\u0007.com",
            "“example\ufffd” contains an invisible character (U+0007), which a domain name cannot.",
            "",
        ),
        (
            "a" * 300,
            f"“{'a' * 60}…” has 300 characters; a domain name has 253 at most, dots included.",
            "",
        ),
        (
            f"{LONG_LABEL}.com",
            f"“{'a' * 60}…” has 64 characters as it is written in DNS; "
            "each part between dots has 63 at most.",
            "",
        ),
        (
            f"{'ü' * 60}.com",
            f"“{'ü' * 60}” has 66 characters as it is written in DNS; "
            "each part between dots has 63 at most.",
            "",
        ),
        (
            "192.0.2.1",
            "“192.0.2.1” is an IP address; enter a domain name, such as example.com.",
            "",
        ),
        (
            "[2001:db8::1]",
            "“[2001:db8::1]” is an IP address; enter a domain name, such as example.com.",
            "",
        ),
        (
            "192.0.2.0/24",
            "“192.0.2.0/24” is a network; enter a domain name, such as example.com.",
            "",
        ),
        (
            "300.0.2.1",
            "“300.0.2.1” ends in a number, as an IP address does and a domain name cannot.",
            "",
        ),
        (
            "https://www.Example.com:8443/contact",
            "“https://www.Example.com:8443/contact” is a web address, not a domain name. "
            "Did you mean www.example.com?",
            "www.example.com",
        ),
        (
            "example.com/about",
            "“example.com/about” is a web address, not a domain name. Did you mean example.com?",
            "example.com",
        ),
        ("http://[::1", "“http://[::1” is a web address, not a domain name.", ""),
        (
            "Jo <jo@münchen.example>",
            "“Jo <jo@münchen.example>” is an e-mail address, not a domain name. "
            "Did you mean münchen.example?",
            "xn--mnchen-3ya.example",
        ),
        (
            "mailto:jo@example.com",
            "“mailto:jo@example.com” is an e-mail address, not a domain name. "
            "Did you mean example.com?",
            "example.com",
        ),
        ("jo@", "“jo@” is an e-mail address, not a domain name.", ""),
        (
            "*.example.com",
            "“*.example.com” is a wildcard; enter each domain name separately. "
            "Did you mean example.com?",
            "example.com",
        ),
        ("*", "“*” is a wildcard; enter each domain name separately.", ""),
        (
            "a" + ":1" * 900,
            f"“{('a' + ':1' * 900)[:60]}…” ends in a port; leave it out here.",
            "",
        ),
        (
            "example",
            "“example” is only one part of a domain name; enter it in full, such as example.com.",
            "",
        ),
        (
            "_dmarc.example.com",
            "“_dmarc” contains an underscore, which a domain name cannot; is it a hyphen?",
            "",
        ),
        ("-a.com", "“-a” starts with a hyphen; a part of a name may not.", ""),
        ("a-.com", "“a-” ends with a hyphen; a part of a name may not.", ""),
        ("a..com", "“a..com” has two dots in a row; there must be a name between dots.", ""),
        (".com", "“.com” starts with a dot; there must be a name between dots.", ""),
        (
            "mail.example.com:25",
            "“mail.example.com:25” ends in a port; leave it out here. "
            "Did you mean mail.example.com?",
            "mail.example.com",
        ),
        ("xn--bücher.de", "“xn--bücher” is not a valid domain name; check its spelling.", ""),
        ("a!❤.com", "“a!❤” contains “!” (U+0021), which a domain name cannot.", ""),
        ("exa!mple.com", "“exa!mple” contains “!” (U+0021), which a domain name cannot.", ""),
    ],
)
def test_bad_name_is_refused(typed: str, sentence: str, suggestion: str) -> None:
    with pytest.raises(BadName) as refusal:
        normalise_domain(typed)

    assert (str(refusal.value), refusal.value.suggestion) == (sentence, suggestion)
    assert isinstance(refusal.value, TenantError)


# Registered names with emoji (idna issues 18, 25 and 61), one with a joiner, one of IDNA 2003.
# Field case 25.
@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("xn--i-7iq.ws", "xn--i-7iq"),
        ("XN--4BI.net.", "xn--4bi"),
        ("mail.xn--ls8h.la", "xn--ls8h"),
        ("xn--1ug6825plhas9r.example", "xn--1ug6825plhas9r"),
        # Legal labels that no longer decode, or decode to nothing.
        ("xn--0.pt", "xn--0"),
        ("xn--a.com", "xn--a"),
        ("xn--99999999.com", "xn--99999999"),
        ("xn--i-7iqx.com", "xn--i-7iqx"),
    ],
)
def test_a_label_outside_idna_is_a_name(typed: str, label: str) -> None:
    name = normalise_domain(typed)

    assert name == typed.lower().rstrip(".")
    assert labels_outside_idna(name) == [label]
    assert display_domain(name) == name


def test_a_label_is_a_legal_name_of_dns() -> None:
    """It follows the rule of letters, digits and hyphens; only a worker knows whether it exists."""
    with pytest.raises(BadName, match="ends with a hyphen"):
        normalise_domain("xn--abc-.com")


@pytest.mark.parametrize("name", ["example.com", "xn--mnchen-3ya.example"])
def test_name_of_idna_has_no_caution(name: str) -> None:
    assert labels_outside_idna(name) == []


@pytest.mark.parametrize("typed", ["co.uk", "CO.UK.", "org.au", "x.ck", "公司.cn"])
def test_public_suffix_is_refused(typed: str) -> None:
    with pytest.raises(BadName, match="is a public suffix"):
        normalise_registered_domain(typed)


@pytest.mark.parametrize(
    "name", ["example.co.uk", "www.ck", "uk.com", "github.io", "northwind.test", "city.kobe.jp"]
)
def test_domain_of_an_organisation_is_no_public_suffix(name: str) -> None:
    assert normalise_registered_domain(name) == name


def test_name_too_long_in_dns_is_refused() -> None:
    with pytest.raises(BadName, match=r"has 25[4-9] characters as it is written in DNS"):
        normalise_domain(".".join(["ü" * 56, "ü" * 56, "ü" * 56, "ü" * 55, "com"]))


def test_host_name_refusal_names_a_host() -> None:
    with pytest.raises(BadName) as refusal:
        normalise_hostname("localhost")

    assert str(refusal.value) == (
        "“localhost” is only one part of a host name; enter it in full, such as example.com."
    )


@pytest.mark.parametrize(
    ("typed", "normalised"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:DB8::7]", "2001:db8::7"),
        ("Mail.Example.com.", "mail.example.com"),
    ],
)
def test_host_is_a_name_or_an_address(typed: str, normalised: str) -> None:
    assert normalise_host(typed) == normalised


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("xn--mnchen-3ya.example", "münchen.example"),
        ("example.com", "example.com"),
        ("xn--a.example", "xn--a.example"),
    ],
)
def test_display_domain_shows_u_labels(name: str, shown: str) -> None:
    assert display_domain(name) == shown


_TYPED = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.text(alphabet="aZ0-üßاאé例。._ ", min_size=1, max_size=12), min_size=2, max_size=5
    ).map(".".join),
)


@given(_TYPED)
def test_normalisation_is_idempotent(typed: str) -> None:
    try:
        once = normalise_domain(typed)
    except BadName:
        return

    assert normalise_domain(once) == once
    assert normalise_domain(display_domain(once)) == once
    assert once.isascii()
    assert once == once.lower()
