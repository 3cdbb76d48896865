"""Messages as mail programs export them: read, or the fault is named."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.mail.message_parser import (
    MailMessage,
    parse,
    parse_date,
    parse_mailbox,
)
from checks.engine.outcomes import Verdict
from onboarding.plans.forms.submitted_messages import MessageForm
from tests.checks.engine.mail.signed_messages import joined, signed, written
from tests.checks.engine.mail.test_message import run_check
from tests.checks.engine.outcomes import codes, params

MESSAGE = signed()
# A line of the body that mbox files quote. The signature covers the line without the ">".
QUOTED_BODY = "Hello there\r\n\r\nFrom here on,\r\n>From there too\r\n"
MBOX_LINE = b"From ann@example.test Sat Nov 28 10:00:00 2026\n"

LINE_FEEDS = MESSAGE.replace(b"\r\n", b"\n")
# Apple Mail adds a property list after the message.
PROPERTIES = b'<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"><dict/></plist>\n'


def _mbox(message: bytes) -> bytes:
    lines = message.replace(b"\r\n", b"\n").split(b"\n")
    return MBOX_LINE + b"\n".join(
        b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines
    )


# Field case 19.
READ = {
    "as-sent": MESSAGE,
    "line-feeds": LINE_FEEDS,
    "carriage-returns": MESSAGE.replace(b"\r\n", b"\r"),
    "doubled-carriage-returns": MESSAGE.replace(b"\r\n", b"\r\r\n"),
    "emlx": b"%-10d\n" % len(MESSAGE) + MESSAGE + PROPERTIES,
    "emlx-pasted": b"%d\r\n" % len(LINE_FEEDS) + MESSAGE + PROPERTIES.replace(b"\n", b"\r\n"),
    "emlx-pasted-with-fewer-bytes": b"%d\n" % len(MESSAGE) + LINE_FEEDS + PROPERTIES,
    "emlx-without-properties": b"%d\n" % len(MESSAGE) + MESSAGE,
    "emlx-of-line-feeds": b"%d\n" % len(LINE_FEEDS) + LINE_FEEDS + PROPERTIES,
    "utf-8-mark": b"\xef\xbb\xbf" + MESSAGE,
    "utf-16-mark": MESSAGE.decode().encode("utf-16"),
    "utf-16-le": MESSAGE.decode().encode("utf-16-le"),
    "utf-16-be-mark": b"\xfe\xff" + MESSAGE.decode().encode("utf-16-be"),
    "utf-16-be": MESSAGE.decode().encode("utf-16-be"),
    "blank-before-colon": b"X-Old : yes\r\n" + MESSAGE,
    "tabs-before-colon": b"X-Old\t\t: yes\r\n" + MESSAGE,
    "blank-before-colon-of-signed-field": MESSAGE.replace(b"\r\nSubject:", b"\r\nSubject :"),
    "mbox": _mbox(MESSAGE),
    "mbox-quoting": _mbox(signed(body=QUOTED_BODY)),
    "mbox-in-mbox": MBOX_LINE + b">" + MBOX_LINE + LINE_FEEDS,
    "envelope-among-fields": LINE_FEEDS.replace(b"From:", b">" + MBOX_LINE + b"From:", 1),
    "folded-envelope": MBOX_LINE + b"\tremote from relay.test\n" + LINE_FEEDS,
    "blank-line-below-envelope": MBOX_LINE + b"\n" + LINE_FEEDS,
    "folded-quoted-envelope": b">" + MBOX_LINE + b" remote from relay.test\n" + LINE_FEEDS,
    "folded-envelope-among-fields": LINE_FEEDS.replace(
        b"From:", b">" + MBOX_LINE + b"\tremote from relay.test\n  by relay.test\nFrom:", 1
    ),
    "folded-envelope-behind-a-folded-field": LINE_FEEDS.replace(
        b"From:", b"X-Old: a\n\tb\n>" + MBOX_LINE + b"\tremote from relay.test\nFrom:", 1
    ),
    "all-lines-indented": b"    " + MESSAGE.replace(b"\r\n", b"\r\n    "),
    "indented-below-shorter-blanks": b"  \r\n\r\n    " + MESSAGE.replace(b"\r\n", b"\r\n    "),
    "indented-below-blanks": b"    \r\n    " + MESSAGE.replace(b"\r\n", b"\r\n    "),
    "obsolete-route": signed(written("Ann <@relay.test,@b.test:ann@example.test>")),
    "blanks-around-signs": signed(written("ann @ example . test")),
    "blank-lines-first": b"\r\n\r\n" + MESSAGE,
    "nested-comment": signed(written("ann@example.test (Ann (HR (Old)) Example)")),
    "escaped-bracket-in-comment": signed(written(r"ann@example.test (Ann \) HR)")),
}


@pytest.mark.parametrize("name", READ)
def test_exported_message_is_verified(name: str) -> None:
    outcome = run_check(READ[name])

    assert "message.signed" in codes(outcome)
    assert outcome.verdict is Verdict.PASS


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("message.eml", MESSAGE)
    return file.getvalue()


# Field case 20.
NAMED = {
    "outlook-file": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500,
    "zip": _zip(),
    "gzip": gzip.compress(MESSAGE),
    "displayed": b"---------- Forwarded message ---------\r\n" + MESSAGE,
    "html": b"\n<!DOCTYPE html><html><body>From: ann@example.test</body></html>",
    "pdf": b"%PDF-1.7\n",
    "quoted": b"> " + MESSAGE.replace(b"\r\n", b"\r\n> "),
    "several": _mbox(MESSAGE) + b"\n\n" + _mbox(MESSAGE),
    "utf-16": b"\xff\xfe" + MESSAGE.decode().encode("utf-16-le") + b"x",
}


@pytest.mark.parametrize("problem", NAMED)
def test_fault_of_an_export_is_named(problem: str) -> None:
    outcome = run_check(NAMED[problem])

    assert outcome.verdict is Verdict.UNKNOWN
    assert params(outcome, "message.unreadable") == {"problem": problem}
    form = MessageForm({"source": NAMED[problem].decode("latin-1")})
    assert not form.is_valid()


@pytest.mark.parametrize(
    ("problem", "content"),
    [
        ("displayed", b"-----Original Message-----\r\nFrom: ann@example.test\r\n"),
        ("displayed", b"Begin forwarded message:\n\nFrom: ann@example.test\n"),
        ("displayed", b"Original Message\r\nMessage ID\t<1@a.test>\r\n\r\n" + MESSAGE),
        ("zip", b"7z\xbc\xaf\x27\x1c" + b"\0" * 50),
        ("zip", b"Rar!\x1a\x07\0" + b"\0" * 50),
        ("gzip", b"BZh91AY&SY" + b"\0" * 50),
        ("outlook-file", b"\x78\x9f\x3e\x22" + b"\0" * 50),
    ],
)
def test_other_exports_have_a_name(problem: str, content: bytes) -> None:
    assert params(run_check(content), "message.unreadable") == {"problem": problem}


@pytest.mark.parametrize(
    "fields",
    [
        [
            ("From", "Ann <ann@example.test>"),
            ("Sent", "Friday, November 20, 2026"),
            ("To", "b@c.d"),
        ],
        written(received="", return_path=""),
        written(received="", return_path="", X_Unsent="1"),
    ],
    ids=["reading-pane", "sent-items", "draft"],
)
def test_message_without_received_lines_was_not_received(fields: list[tuple[str, str]]) -> None:
    """A copy of the sender has no signature yet, so that its lack is no fault."""
    outcome = run_check(joined(fields))

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["message.not-received"])


@pytest.mark.parametrize(
    "text",
    [
        "Fri, 20 Nov 2026 11:58:30 +0000",
        "Fri, 20 Nov 26 11:58:30 GMT",
        "20 Nov 126 06:58:30 EST",
        "Fri (a (b)), 20 (c) Nov 2026 11:58:30 +0000 (d)",
        "Fri , 20 Nov 2026 11 : 58 : 30 +0000",
        "Fri, 20 Nov 2026 11:58:30 GMT+00:00",
    ],
)
def test_obsolete_dates_are_read(text: str) -> None:
    """RFC 5322 section 4.3."""
    assert parse_date(text) == datetime(2026, 11, 20, 11, 58, 30, tzinfo=UTC)


def test_leap_second_is_the_second_before() -> None:
    read = parse_date("Sat, 31 Dec 2016 23:59:60 +0000")

    assert read == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_body_that_quotes_an_envelope_line_is_one_message() -> None:
    """Only the envelope line of an mbox file makes “From ” in a body the next message."""
    outcome = run_check(signed(body="Hello\r\n\r\nFrom a@b.test Sat Nov 28 10:00:00 2026\r\n"))

    assert "message.signed" in codes(outcome)


def test_two_from_lines_with_a_blank_are_two() -> None:
    outcome = run_check(b"From : eve@evil.test\r\n" + MESSAGE)

    assert codes(outcome) == ["message.from-lines"]


@pytest.mark.parametrize("label", ["Content-Type", "content-type ", "CONTENT-TYPE"])
def test_forwarded_attachment_is_named(label: str) -> None:
    body = f"--b\r\n{label}: message/rfc822\r\n\r\nFrom: ann@example.test\r\n"
    outcome = run_check(signed(written("con@consultant.test"), body=body))

    assert codes(outcome) == ["message.forwarded"]
    assert params(outcome, "message.forwarded") == {
        "found": "consultant.test",
        "expected": "example.test",
    }


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("ann@a.test (Ann (HR) Example)", "ann@a.test"),
        ("(((x))) Ann <ann@a.test> (y)", "ann@a.test"),
        (r"ann@a.test (\(\)\))", "ann@a.test"),
        ("ann@a.test (eve@b.test (c@d.test))", "ann@a.test"),
        ("ann@a.test (Ann (HR) Example", ""),
        ("ann@a.test Ann) Example", ""),
        ("ann@a.test " + "(" * 500 + ")" * 500, ""),
        (r"ann\(x@a.test", ""),
    ],
)
def test_comments_nest(text: str, mailbox: str) -> None:
    assert parse_mailbox(text) == mailbox


@given(st.binary(max_size=300))
def test_every_content_is_read_or_named(content: bytes) -> None:
    read = parse(content)

    assert isinstance(read, MailMessage) or read.problem


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_utf_16_is_the_same_message(body: str) -> None:
    text = f"Subject: test\n\n{body}x"

    assert parse(text.encode("utf-16")) == parse(text.encode())
