"""Report addresses and numbers of a DMARC record (RFC 7489 sections 6.2 to 6.4, RFC 6068)."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.mail.dmarc_records import DmarcPolicy, InvalidDmarcRecord, parse


def _parsed(tags: str) -> DmarcPolicy:
    read = parse(f"v=DMARC1; p=reject; {tags}")
    assert isinstance(read, DmarcPolicy)
    return read


@pytest.mark.parametrize(
    "uri",
    [
        "mailto:a@m.test mailto:b@m.test",
        "mailto:a@b@m.test",
        "mailto: a@m.test",
        "mailto:a @m.test",
        "mailto:a@m.test!10 m",
        "mailto:<a@m.test>",
        "mailto:“a”@m.test",
        "mailto:a..b@m.test",
        "mailto:.a@m.test",
        "mailto:a%40b@m.test",
        "mailto:a%20b@m.test",
        "mailto:@m.test",
        "mailto:a@m",
        "mailto:a@m.test%2c",
        "mailto:a@b.test%2cc",
        "mailto:a\u00a0@m.test",
        "mailto:?to=a@m.test",
        "mailto://a@m.test",
        "a@m.test",
        "https://m.test/dmarc",
    ],
)
@pytest.mark.parametrize("tag", ["rua", "ruf"])
def test_entry_that_is_no_address_is_named(tag: str, uri: str) -> None:
    read = _parsed(f"{tag}=mailto:good@m.test,{uri}")

    assert (read.rua, read.ruf)[tag == "ruf"] == ("good@m.test",)
    assert read.bad_destinations == (uri,)


@pytest.mark.parametrize(
    ("uri", "addresses"),
    [
        ("mailto:A.b+c@M.test", ("a.b+c@m.test",)),
        ("MAILTO:a@m.test!10m", ("a@m.test",)),
        ("mailto:a%21b@m.test!5", ("a!b@m.test",)),
        ("mailto:a%2Bb@m.test", ("a+b@m.test",)),
        ("mailto:%22a%20b%22@m.test", ('"a b"@m.test',)),
        ("mailto:%22a%40b%22@m.test", ('"a@b"@m.test',)),
        ("mailto:%22a%2cb%22@m.test", ('"a,b"@m.test',)),
        ("mailto:a@m.test%2Cb@n.test", ("a@m.test", "b@n.test")),
        ("mailto:a@m.test?subject=dmarc", ("a@m.test",)),
        ("mailto:a/b=c@m.test", ("a/b=c@m.test",)),
        ("mailto:a@x_y.m.test", ("a@x_y.m.test",)),
    ],
)
def test_valid_uri_has_its_addresses(uri: str, addresses: tuple[str, ...]) -> None:
    read = _parsed(f"rua={uri}")

    assert (read.rua, read.bad_destinations) == (addresses, ())


def test_policy_without_a_valid_address_is_void() -> None:
    """RFC 7489 section 6.6.3 step 6 requires a valid URI for a record with an invalid p=."""
    assert isinstance(parse("v=DMARC1; p=rejct; rua=mailto: a@m.test"), InvalidDmarcRecord)
    assert isinstance(parse("v=DMARC1; p=rejct; rua=mailto:a@m.test"), DmarcPolicy)


@pytest.mark.parametrize(
    ("tag", "percent"),
    [("pct=0", 0), ("pct=50", 50), ("pct=100", 100), ("pct=007", 7), ("ri=4294967295", 100)],
)
def test_number_in_its_range_is_read(tag: str, percent: int) -> None:
    read = _parsed(tag)

    assert (read.percent, read.ignored) == (percent, ())


@pytest.mark.parametrize(
    "tag",
    [
        *("pct=101", "pct=999", "pct=-1", "pct=+50", "pct=50%", "pct=0.5", "pct=", "pct=٥٠"),
        *("pct=1000", "ri=4294967296", "ri=-1", "ri=1h", "ri=99999999999"),
    ],
)
def test_number_outside_its_range_is_discarded_with_its_name(tag: str) -> None:
    read = _parsed(tag)

    assert (read.percent, read.ignored) == (100, (tag,))


_ATOM = st.text("abcXYZ0189!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=8)
_LOCAL = st.lists(_ATOM, min_size=1, max_size=3).map(".".join)
_HOST = st.lists(st.text("abc09-_", min_size=1, max_size=8), min_size=2, max_size=4).map(".".join)


@given(st.lists(st.tuples(_LOCAL, _HOST), min_size=1, max_size=5))
def test_every_encoded_address_is_read(addresses: list[tuple[str, str]]) -> None:
    uris = [f"mailto:{quote(local, safe='')}@{host}" for local, host in addresses]

    read = _parsed(f"rua={','.join(uris)}")

    assert read.rua == tuple(f"{local}@{host}".lower() for local, host in addresses)
    assert read.bad_destinations == ()


@given(st.text(' \ta@.:%2cC!?"<>m-', max_size=20))
def test_no_address_has_two_hosts_or_white_space(rest: str) -> None:
    for address in _parsed(f"rua=mailto:{rest.replace(';', '')}").rua:
        local, _, host = address.rpartition("@")
        assert not set(host) & set(' \t@"%')
        assert local.startswith('"') or not set(local) & set(' \t@"')
