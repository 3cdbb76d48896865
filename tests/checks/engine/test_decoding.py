"""Whatever arrives is an answer of ours, somebody else's, or malformed; nothing escapes."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.decoding import readable
from checks.engine.lookup import CouldNotTell
from checks.engine.transport import build_query, query_name, read_reply

NAME = dns.name.from_text("example.test.")


def exchange() -> tuple[dns.message.Message, bytes]:
    query = build_query(NAME, "TXT", recursion=True)
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(NAME, 300, "IN", "TXT", '"one" "two"'))
    return query, response.to_wire()


@given(st.data())
def test_read_reply_of_a_damaged_message_never_raises(data: st.DataObject) -> None:
    query, wire = exchange()
    damaged = bytearray(wire)
    for _ in range(data.draw(st.integers(1, 6))):
        # The id is spared: a datagram with another one is not looked into at all.
        damaged[data.draw(st.integers(2, len(wire) - 1))] = data.draw(st.integers(0, 255))

    read_reply(query, bytes(damaged[: data.draw(st.integers(0, len(wire)))]))


def test_read_reply_names_a_cut_off_message_malformed() -> None:
    query, wire = exchange()

    reply = read_reply(query, wire[:-3])

    assert isinstance(reply, CouldNotTell)
    assert reply.reason == "malformed"


def test_query_asks_without_recursion_where_told() -> None:
    flags = [build_query(NAME, "TXT", recursion=wanted).flags for wanted in (True, False)]

    assert flags == [dns.flags.RD, 0]


def test_queries_offer_edns_of_1232_bytes() -> None:
    query = build_query(NAME, "TXT", recursion=True)

    assert (query.edns, query.payload) == (0, 1232)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"v=spf1 -all", "v=spf1 -all"),
        (b"caf\xc3\xa9", "café"),
        (b"\x96all", "\ufffdall"),
        (b"a\0b", "a\ufffdb"),
    ],
)
def test_text_is_safe_to_store(content: bytes, expected: str) -> None:
    assert readable(content) == expected


@given(st.text(max_size=300))
def test_query_name_never_raises(name: str) -> None:
    query_name(name)
