"""The published test data of dkimpy: every key record and message; `tests.suites` fetches it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import dkim
import pytest

from checks.engine.dns.lookup import Answer, Record, Records
from checks.engine.mail.dkim_keys import DkimKey, parse
from checks.engine.mail.message_parser import MailMessage
from checks.engine.mail.message_parser import parse as parse_message
from checks.engine.mail.message_signatures import verify_signatures
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.suites import fetch_dkimpy

DATA = fetch_dkimpy()
NOW = datetime.now(UTC)
# Each key record with the result of our reader: usable, or the first problem.
KEYS = {
    # The key is a bare RSAPublicKey, which RFC 6376 section 3.6.1 names. dkimpy reads it as well.
    "1024_testkey_wo_markers.pub.rsa.txt": "usable",
    "2048_testkey_wo_markers.pub.rsa.txt": "usable",
    "1024_testkey_wo_markers.pub.txt": "usable",
    "2048_testkey_wo_markers.pub.txt": "usable",
    "2048_testkey_PKCS8.key.pub.txt": "usable",
    "ed25519test.dns": "usable",
    "eximtest.dns": "usable",
    # g= is a tag of RFC 4871 that RFC 6376 made obsolete. Unknown tags are ignored.
    "test.txt": "usable",
    "test2.txt": "usable",
    # RFC 6376 section 3.6.1: unknown type, `:` in the version, a damaged key.
    "badk.txt": "unknown-type",
    "badversion.txt": "syntax",
    "test_bad.txt": "unreadable-key",
    # RFC 8460 section 3: the key is for reports about TLS. dkimpy accepts it for such a report.
    "test_tlsrpt.txt": "not-for-mail",
}
MESSAGES = [path.name for path in sorted(DATA.iterdir()) if path.suffix in (".msg", ".mbox")]
MESSAGES += [path.name for path in sorted(DATA.iterdir()) if ".message" in path.name]
SIGNED_KEYS = [name for name in KEYS if name.startswith(("test", "bad"))]


class OneAnswerLookup(ZoneLookup):
    """Every TXT query is answered by one record. The zone text of a test has no such long names."""

    def __init__(self, record: str) -> None:
        super().__init__("")
        self._record = record

    async def resolve(self, name: str, rtype: str) -> Answer:
        return Records((Record(name, rtype, 300, self._record),))


def read_record(name: str) -> str:
    return (DATA / name).read_text().strip("\n")


def test_every_key_record_is_in_table() -> None:
    published = {p.name for p in DATA.iterdir() if p.suffix in (".txt", ".dns")}

    assert published == set(KEYS)


@pytest.mark.parametrize(("name", "expected"), KEYS.items())
def test_key_record_of_dkimpy(name: str, expected: str) -> None:
    key = parse(read_record(name))

    problems = key.problems if isinstance(key, DkimKey) else (key.kind,)
    assert (problems[0].value if problems else "usable") == expected


@pytest.mark.parametrize("name", MESSAGES)
def test_message_of_dkimpy_is_read(name: str) -> None:
    assert isinstance(parse_message((DATA / name).read_bytes()), MailMessage)


@pytest.mark.parametrize("name", SIGNED_KEYS)
@pytest.mark.parametrize("sent", ["test.message", "test_extra.message"])
def test_signature_of_dkimpy_is_verified(sent: str, name: str) -> None:
    """dkimpy signs its own message, and our check verifies it with each of its key records."""
    content = (DATA / sent).read_bytes()
    field = dkim.sign(content, b"test", b"example.com", (DATA / "test.private").read_bytes())
    message = parse_message(field + content)
    assert isinstance(message, MailMessage)

    lookup = OneAnswerLookup(read_record(name))
    (found,) = asyncio.run(verify_signatures(message, "example.com", lookup, now=NOW))

    state, detail = found.state.value, found.detail
    assert (state if state == "valid" else detail) == KEYS[name].replace("usable", "valid")
