"""Every datagram is our reply, a foreign reply, or malformed; no exception escapes."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.dns.dnspython_adapter import decode_txt
from checks.engine.dns.lookup import LookupFailure
from checks.engine.dns.reply_validation import read_reply
from checks.engine.dns.wire import DnsQuestion, encode_query, make_question

NUMBER = 4711


def asked() -> DnsQuestion:
    found = make_question("example.test", "TXT")
    assert found is not None
    return found


def sent(*, recursion: bool = True, edns: bool = True) -> dns.message.Message:
    """Our query as dnspython parses it."""
    return dns.message.from_wire(encode_query(asked(), NUMBER, recursion=recursion, edns=edns))


def reply() -> bytes:
    response = dns.message.make_response(sent())
    response.answer.append(dns.rrset.from_text("example.test.", 300, "IN", "TXT", '"one" "two"'))
    return response.to_wire()


@given(st.data())
def test_read_reply_of_damage_never_raises(data: st.DataObject) -> None:
    wire = reply()
    damaged = bytearray(wire)
    for _ in range(data.draw(st.integers(1, 6))):
        # The id stays: a datagram with another id is ignored before it is parsed.
        damaged[data.draw(st.integers(2, len(wire) - 1))] = data.draw(st.integers(0, 255))

    read_reply(asked(), NUMBER, bytes(damaged[: data.draw(st.integers(0, len(wire)))]))


def test_read_reply_cut_off_is_malformed() -> None:
    found = read_reply(asked(), NUMBER, reply()[:-3])

    assert isinstance(found, LookupFailure)
    assert found.reason == "malformed"


def test_query_contains_question() -> None:
    (found,) = sent().question

    assert (found.to_text(), sent().id) == ("example.test. IN TXT", NUMBER)


def test_query_without_recursion() -> None:
    flags = [sent(recursion=wanted).flags for wanted in (True, False)]

    assert flags == [dns.flags.RD, 0]


def test_query_offers_edns_of_1232_bytes() -> None:
    assert (sent().edns, sent().payload, sent(edns=False).edns) == (0, 1232, -1)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"v=spf1 -all", "v=spf1 -all"),
        (b"caf\xc3\xa9", "café"),
        (b"\x96all", "\ufffdall"),
        (b"a\0b", "a\ufffdb"),
    ],
)
def test_decode_txt_is_safe_to_store(content: bytes, expected: str) -> None:
    assert decode_txt(content) == expected


@given(st.text(max_size=300))
def test_make_question_never_raises(name: str) -> None:
    make_question(name, "TXT")
