"""Messages as mail programs export them: read, or the fault is named."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.mail.message_parser import (
    MailMessage,
    parse,
    parse_mailbox,
)
from checks.engine.outcomes import Verdict
from onboarding.plans.forms.submitted_messages import MessageForm
from tests.checks.engine.mail.signed_messages import signed, written
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
