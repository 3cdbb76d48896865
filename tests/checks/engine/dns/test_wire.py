"""The fast decoder against dnspython, packet by packet.

A message that the fast decoder reads must be equal to dnspython's result. For any other message it
returns None, and dnspython decides alone. So the two can differ only before either reads. The
header rejects a datagram that is no reply, has another opcode or question, is cut off, or is too
long, even if dnspython would call it malformed. That is safe, because a datagram that is not our
answer must not count as one (RFC 5452 section 9).
"""

from __future__ import annotations

import random
import time

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.dns.dnspython_adapter import DnsMessage
from checks.engine.dns.lookup import LookupFailure
from checks.engine.dns.reply_validation import Truncated, read_reply, read_with_dnspython
from checks.engine.dns.wire import (
    HEADER_BYTES,
    OPCODE,
    RESPONSE,
    DnsQuestion,
    decode_reply,
    encode_query,
    make_question,
)
from tests.checks.engine.dns.packets import NUMBER, RTYPES, asked, damaged, exotic, ordinary

HEADER = NUMBER.to_bytes(2) + bytes.fromhex("8400 0001 0001 0000 0000")
EMPTY = HEADER[:4] + b"\0\1" + bytes(6)
RECORD = bytes.fromhex("0010 0001 0000003c")


def decoders_agree(wanted: DnsQuestion, wire: bytes) -> bool:
    """Compare both decoders. Return whether the fast one decoded the message.

    The header rejects some messages before both: another question, or no reply to a query.
    """
    flags = int.from_bytes(wire[2:4])
    reaches = bool(flags & RESPONSE) and not flags & OPCODE and wanted.is_question_of(wire)
    fast = decode_reply(wanted, wire) if reaches else None
    if fast is not None:
        assert fast == read_with_dnspython(wanted, wire), wire.hex()
    return fast is not None


def decode_random_packets(seed: int, packets: int) -> tuple[int, int]:
    """Return the number of valid and of damaged packets that the fast decoder read."""
    chance = random.Random(seed)
    whole = broken = 0
    for number in range(packets):
        rtype = chance.choice(RTYPES)
        make = ordinary if number % 2 else exotic
        wire = make(chance, rtype)
        whole += decoders_agree(asked(rtype), wire)
        broken += decoders_agree(asked(rtype), damaged(chance, wire))
    return whole, broken


@pytest.mark.slow
def test_decoders_agree_on_many_packets() -> None:
    whole, broken = decode_random_packets(seed=20261123, packets=1000)

    assert whole > 500
    assert broken > 70


@pytest.mark.nightly
def test_decoders_agree_on_very_many_packets() -> None:
    seed = random.SystemRandom().randrange(2**32)

    whole, broken = decode_random_packets(seed, packets=20_000)

    assert (whole > 10_000, broken > 1_400) == (True, True), f"seed {seed}: {whole}, {broken}"


def test_fast_decoder_reads_ordinary_replies() -> None:
    chance = random.Random(7)
    packets = [(rtype, ordinary(chance, rtype)) for rtype in RTYPES for _ in range(30)]

    unread = [wire.hex() for rtype, wire in packets if decode_reply(asked(rtype), wire) is None]

    assert unread == []


@given(st.binary(max_size=600))
def test_decoders_agree_on_any_bytes(rest: bytes) -> None:
    decoders_agree(
        asked(), HEADER[:4] + b"\0\1" + (rest[:6] + bytes(6))[:6] + asked().wire + rest[6:]
    )


@given(st.binary(max_size=80))
def test_read_reply_of_any_bytes_never_raises(wire: bytes) -> None:
    read_reply(asked(), NUMBER, NUMBER.to_bytes(2) + wire)


@pytest.mark.parametrize(
    "answer",
    [
        b"\xc0\x1e" + RECORD + b"\0\2\1x",  # a pointer to itself
        b"\xc0\xff" + RECORD + b"\0\2\1x",  # forwards
        b"\x40" + b"a" * 64 + b"\0" + RECORD + b"\0\2\1x",  # a label of 64
        (b"\x3f" + b"a" * 63) * 4 + b"\0" + RECORD + b"\0\2\1x",  # a name of 257
        b"\xc0\x0c" + RECORD + b"\xff\xff\1x",  # content past the end
        b"\xc0\x0c" + RECORD + b"\0\2\5x",  # a string past its record
        b"\xc0\x0c" + RECORD + b"\0\0",  # TXT without a string
        b"",  # a wrong count
    ],
)
def test_impossible_records_are_malformed(answer: bytes) -> None:
    found = read_reply(asked(), NUMBER, HEADER + asked().wire + answer)

    assert isinstance(found, LookupFailure)
    assert found.reason == "malformed"


@pytest.mark.parametrize("max_bytes", [4096, 65_535])
def test_worst_message_decodes_in_bounded_time(max_bytes: int) -> None:
    """The longest possible chain of pointers, and as many records that begin at its end."""
    start = HEADER_BYTES + len(asked().wire)
    room = max_bytes - start
    chain = b"".join(
        (0xC000 | max(at - 2, HEADER_BYTES)).to_bytes(2)
        for at in range(start, min(start + room // 2, 0x3FFF), 2)
    )
    last = 0xC000 | (start + len(chain) - 2)
    filler = b"\0" + RECORD + (len(chain)).to_bytes(2) + chain
    count = (max_bytes - start - len(filler)) // 12
    records = (last.to_bytes(2) + RECORD[:6] + b"\0\0\0\0") * count
    counts = bytes.fromhex("8400 0001") + (count + 1).to_bytes(2) + bytes(4)
    wire = NUMBER.to_bytes(2) + counts + asked().wire + filler + records

    began = time.process_time()
    read_reply(asked(), NUMBER, wire, max_bytes=max_bytes)

    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (EMPTY[:2] + b"\x04\x00" + EMPTY[4:] + asked().wire, None),  # a query
        (EMPTY[:2] + b"\xac\x00" + EMPTY[4:] + asked().wire, None),  # an update
        (b"\0\0" + EMPTY[2:] + asked().wire, None),  # another id
        (EMPTY + asked("MX").wire, None),  # another type
        (EMPTY[:11], None),
        (EMPTY + asked().wire + bytes(4096), LookupFailure("oversized", "4126 bytes")),
    ],
)
def test_header_rejects_other_messages(wire: bytes, expected: LookupFailure | None) -> None:
    found = read_reply(asked(), NUMBER, wire)

    assert found == expected


def test_truncated_reply_needs_our_question() -> None:
    cut = HEADER[:2] + b"\x86\x00" + b"\0\1" + bytes(6)

    ours = read_reply(asked(), NUMBER, cut + asked().wire)
    other = read_reply(asked(), NUMBER, cut + asked("MX").wire)

    assert (isinstance(ours, Truncated), other) == (True, None)


def test_reply_in_other_case_is_ours() -> None:
    wire = bytearray(ordinary(random.Random(1), "TXT"))
    wire[HEADER_BYTES + 1 : HEADER_BYTES + 8] = b"eXaMpLe"

    assert isinstance(read_reply(asked(), NUMBER, bytes(wire)), DnsMessage)


@pytest.mark.parametrize("name", ["a.test", "example.test", "1a2.test", "x--1.example.test"])
def test_mixed_case_differs_only_in_case(name: str) -> None:
    mixed, plain = make_question(name, "TXT", mixed_case=True), make_question(name, "TXT")

    assert mixed is not None
    assert plain is not None
    assert mixed.wire != plain.wire
    assert (mixed.wire.lower(), mixed.folded) == (plain.wire, plain.wire)


@given(st.lists(st.text(min_size=1, max_size=70), max_size=6), st.sampled_from(RTYPES))
def test_queries_equal_dnspython_bytes(labels: list[str], rtype: str) -> None:
    name = ".".join(label.replace(".", "-") for label in labels)

    wanted = make_question(name, rtype)

    if wanted is None:
        encoded = [label.encode() for label in name.lower().split(".")]
        assert any(len(label) > 63 for label in encoded) or sum(map(len, encoded)) > 248
    else:
        (found,) = dns.message.from_wire(encode_query(wanted, NUMBER, recursion=True)).question
        assert found.to_text() == f"{found.name} IN {rtype}"
        assert found.name.to_text(omit_final_dot=True).lower() == wanted.name
