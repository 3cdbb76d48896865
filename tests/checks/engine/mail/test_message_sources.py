"""Texts that are no plain source: undone where possible, and otherwise named with the reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.mail.message_parser import MailMessage, UnreadableMessage, parse
from checks.engine.outcomes import Verdict
from onboarding.plans.forms.submitted_messages import MessageForm
from tests.checks.engine.mail.signed_messages import signed, written
from tests.checks.engine.mail.test_message import run_check
from tests.checks.engine.outcomes import codes, params

MESSAGE = signed()
LINES = MESSAGE.replace(b"\r\n", b"\n")
MBOX_DATES = [
    b"Sat Nov 28 10:00:00 2026",
    b"Sat Nov  8 10:00 2026",
    b"Sat, 28 Nov 2026 10:00:00 +0000",
    b"28 Nov 2026 10:00:00 +0000",
    b"2026-11-28 10:00:00",
    b"2026-11-28T10:00:00Z",
]

UNDONE = {
    "carriage-returns-and-one-line-feed": MESSAGE.replace(b"\r\n", b"\r") + b"\n",
    "carriage-returns-and-a-final-pair": MESSAGE.replace(b"\r\n", b"\r") + b"\r\n",
    "line-feed-among-carriage-returns": MESSAGE.replace(b"\r\n", b"\r").replace(b"\r", b"\n", 1),
    "doubled-except-one": MESSAGE.replace(b"\r\n", b"\r\r\n").replace(b"\r\r\n", b"\r\n", 1),
    "next-line": MESSAGE.replace(b"\r\n", "\u0085".encode()),
    "line-separator": MESSAGE.replace(b"\r\n", "\u2028".encode()),
    "paragraph-separator": MESSAGE.replace(b"\r\n", "\u2029".encode()) + b"\n",
    "vertical-tab": MESSAGE.replace(b"\r\n", b"\x0b"),
    "doubled-lines": LINES.replace(b"\n", b"\n\n"),
    "doubled-lines-with-pairs": MESSAGE.replace(b"\r\n", b"\r\n\r\n"),
    "doubled-lines-with-blanks": LINES.replace(b"\n", b"\n \n"),
    "zero-width-space-first": "\u200b".encode() + MESSAGE,
    "direction-mark-first": "\u200e".encode() + MESSAGE,
    "no-break-space-first": "\u00a0".encode() + MESSAGE,
    "several-marks-first": "\r\n \ufeff\u200b\r\n\u2060".encode() + MESSAGE,
    "utf-32": MESSAGE.decode().encode("utf-32"),
    "utf-32-le": MESSAGE.decode().encode("utf-32-le"),
    "utf-32-be": MESSAGE.decode().encode("utf-32-be"),
    "utf-32-be-mark": b"\0\0\xfe\xff" + MESSAGE.decode().encode("utf-32-be"),
    "only-part": b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"
    + MESSAGE,
    "only-part-of-mime": b"MIME-Version: 1.0\nContent-Type: Message/RFC822; x=y\n\n" + LINES,
    "only-part-global": b"Content-Type: message/global\n\n\n" + LINES,
}


@pytest.mark.parametrize("name", UNDONE)
def test_changed_source_is_verified(name: str) -> None:
    outcome = run_check(UNDONE[name])

    assert (outcome.verdict, codes(outcome)[0]) == (Verdict.PASS, "message.signed")


NAMED = [
    ("displayed", b"Von: Ann <ann@example.test>\r\nGesendet: Freitag\r\nAn: b@c.d\r\n\r\nHallo"),
    ("displayed", b"De : Ann <ann@example.test>\nObjet : Essai\n\nBonjour"),
    ("displayed", b"Van: Ann\nVerzonden: vrijdag\nOnderwerp: Test\n\nHallo"),
    ("no-from", b"Subject: test\r\nTo: b@c.d\r\n\r\nHello"),
    ("no-from", LINES.replace(b"\n", b"\n\n", 1)),
    ("no-from", b"BEGIN:VCARD\nVERSION:4.0\nFN:Ann\nEND:VCARD\n"),
    ("no-from", b"Content-Type: message/rfc822\n\nSubject: test\n\nHello"),
    ("html", b"From: <Saved by Blink>\r\nSnapshot-Content-Location: https://a.test/\r\n\r\n--x"),
    ("html", b'From: "Saved by Windows Internet Explorer 11"\r\nSubject: test\r\n\r\n<html>'),
    ("html", b"From: Saved by WebKit\nMIME-Version: 1.0\n\nx"),
    ("data", json.dumps({"raw": "RnJvbTo"}).encode()),
    ("data", b'[\n  {"From": "ann@example.test"}\n]'),
    ("data", b'{\r\n "payload": {"headers": []}}'),
    ("rtf", b"{\\rtf1\\ansi From: ann@example.test}"),
    ("image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    ("image", b"\xff\xd8\xff\xe0\0\x10JFIF"),
    ("image", b"GIF89a\x01\0\x01\0"),
    ("binary", b"bplist00\xd1\x01\x02_\x10\0"),
    ("binary", b"\x7fELF\x02\x01\x01\0\0\0"),
    ("binary", b"SQLite format 3\0\x10\0"),
    ("utf-16", b"\xff\xfe\0\0F\0\0\0x"),
    ("header-line", b"Hello Ann\nSubject: test\n"),
]


@pytest.mark.parametrize(("problem", "content"), NAMED)
def test_reason_is_named(problem: str, content: bytes) -> None:
    outcome = run_check(content)

    assert outcome.verdict is Verdict.UNKNOWN
    assert params(outcome, "message.unreadable") == {"problem": problem}
    form = MessageForm({"source": content.decode("latin-1")})
    assert not form.is_valid()


@pytest.mark.parametrize(
    ("before", "line"),
    [
        (b"", 2),
        (b"\r\n\r\n", 4),
        ("\u200b\n".encode(), 3),
        (b"From ann@example.test Sat Nov 28 10:00:00 2026\n", 3),
        (b"%d\n" % 500, 3),
    ],
)
@pytest.mark.parametrize("broken", [b"a wrapped line", b"[EXTERNAL] banner", b"Bad name: x"])
def test_bad_line_has_its_number(before: bytes, line: int, broken: bytes) -> None:
    first, _, rest = LINES.partition(b"\n")
    outcome = run_check(before + first + b"\n" + broken + b"\n" + rest)

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["message.bad-line"])
    assert params(outcome, "message.bad-line") == {"line": line}


def test_form_names_the_bad_line() -> None:
    form = MessageForm({"source": "Subject: a\r\nX: b\r\nno field\r\nFrom: ann@example.test\r\n"})

    assert not form.is_valid()
    assert str(form.errors["source"][0]).startswith("Line 3 is no header line.")


@pytest.mark.parametrize("date", MBOX_DATES)
@pytest.mark.parametrize("blank", [b"", b"\n"], ids=["adjacent", "blank-line"])
@pytest.mark.parametrize("first", ["", "envelope"])
def test_several_messages_are_named(date: bytes, blank: bytes, first: str) -> None:
    envelope = b"From ann@example.test " + date + b"\n"
    content = (envelope if first else b"") + LINES + blank + envelope + LINES

    outcome = run_check(content)

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["message.unreadable"])
    assert params(outcome, "message.unreadable") == {"problem": "several"}


@pytest.mark.parametrize("date", MBOX_DATES)
def test_signed_body_with_a_quoted_message_is_one(date: bytes) -> None:
    """Only an altered body makes a message without an envelope line doubtful."""
    quoted = f"Hello\r\n\r\nFrom a@b.test {date.decode()}\r\nSubject: old\r\n\r\nOld\r\n"

    assert codes(run_check(signed(body=quoted)))[0] == "message.signed"


@pytest.mark.parametrize(
    "part",
    [
        "Content-Type: message/global",
        'Content-Type: application/octet-stream; name="test.eml"',
        "Content-Type: application/octet-stream\r\nContent-Disposition: attachment;"
        " filename=Test message.EML",
        "Content-Disposition: attachment; filename*0*=UTF-8''te; filename*1=st.eml",
        "Content-Disposition: attachment;\r\n filename*=UTF-8''test%20one.msg",
        "Content-Type: application/vnd.ms-outlook",
        "Content-Type: application/ms-tnef",
        'Content-Disposition: attachment; filename="winmail.dat"',
    ],
)
def test_attached_file_of_a_message_is_forwarded(part: str) -> None:
    body = f"--b\r\n{part}\r\n\r\nAAAA\r\n"
    outcome = run_check(signed(written("con@consultant.test"), body=body))

    assert codes(outcome) == ["message.forwarded"]


@pytest.mark.parametrize(
    "body",
    ["See test.eml", "name = x\r\nwww.msg.test", 'Content-Type: text/plain; name="a.txt"'],
)
def test_other_part_is_no_message(body: str) -> None:
    outcome = run_check(signed(written("con@consultant.test"), body=f"{body}\r\n"))

    assert codes(outcome) == ["message.other-domain"]


_ENDS = st.sampled_from(["\n", "\r\n", "\r", "\r\r\n", "\u2028", "\u0085", "\x0b"])
_VALUES = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=20)


@given(_ENDS, st.lists(_VALUES, min_size=2, max_size=6), _VALUES)
def test_every_end_of_line_gives_the_same_fields(end: str, values: list[str], body: str) -> None:
    fields = [f"X-{number}: {value}" for number, value in enumerate(values)]
    lines = ["From: ann@example.test", *fields, "", f"Hello {body}", ""]

    read = parse(end.join(lines).encode())

    assert isinstance(read, MailMessage)
    assert [field.name for field in read.fields] == ["from", *(f[:3].lower() for f in fields)]
    assert read.body == f"Hello {body}\r\n".encode()


@given(st.lists(st.sampled_from(["A: b", " c", "d", "From: a@b.test", "", "From x y"]), max_size=9))
def test_number_of_a_bad_line_is_in_the_text(lines: list[str]) -> None:
    read = parse("\n".join(lines).encode())

    if isinstance(read, UnreadableMessage) and read.line:
        assert lines[read.line - 1] == "d"
