"""Every finding code has a sentence, and the sentence contains the parameters of the finding."""

from __future__ import annotations

import ast
import datetime
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from checks import engine
from checks.engine.codes import CODES, RENAMED_CODES
from checks.engine.dns import dnssec
from checks.engine.hosts import ldaps, lockdown, smtp
from checks.engine.hosts.prober import ConnectionFailure
from checks.engine.hosts.smtp import SmtpDialogue, SmtpReply
from checks.templatetags.findings import code_list, finding, reason_labels, template_of
from tests.readable_findings import faults

SENTENCES = Path(settings.BASE_DIR) / "templates" / "checks" / "findings"
DATES = ("not_after", "not_before", "sent_at", "received_at", "switched_at", "cutover",
         "expired_at", "obtained_at")  # fmt: skip
LISTS = {"servers", "resolvers", "parent", "delegated", "reasons", "agreeing",
         "lagging", "failing",
         "hosts", "regions", "addresses",
         "names", "uses", "hashes",
         "destinations", "tags", "selectors", "ranges", "domains", "properties",
         "values"}  # fmt: skip
NUMBERS = {"count", "lookups", "limit", "branch_lookups", "void_lookups", "total", "passing",
           "ttl", "threshold", "port", "days", "bits", "percent", "max_age",
           "budget_seconds", "length", "term_count"}  # fmt: skip


def _value(name: str, number: int) -> Any:
    if name in NUMBERS:
        return 4000 + number
    if name in DATES:
        return "2026-12-01T09:00:00+00:00"
    return [f"{name}-one", f"{name}-two"] if name in LISTS else f"value-of-{name}"


def _shown(value: Any) -> list[str]:
    if isinstance(value, list):
        return value
    return ["2026-12-01"] if str(value).startswith("2026-") else [str(value)]


@pytest.mark.parametrize("code", CODES)
def test_sentence_contains_all_params(code: str) -> None:
    params = {name: _value(name, number) for number, name in enumerate(CODES[code])}
    if code == "dns.delegation-differs":
        params["zone"] = _value("servers", 0)

    # Large numbers have a comma between their thousands.
    sentence = re.sub(r"(?<=\d),(?=\d{3})", "", finding({"code": code, "params": params}))

    missing = [
        shown for value in params.values() for shown in _shown(value) if shown not in sentence
    ]
    assert missing == []
    assert re.fullmatch(r"\S.*[.?](</\w+>)?", sentence, flags=re.DOTALL)


def test_every_template_has_a_code() -> None:
    written = {
        f"{file.stem}.{name}"
        for file in SENTENCES.glob("*.html")
        for name in re.findall(r"\{% partialdef ([\w-]+) %\}", file.read_text())
    }

    assert written == set(CODES)


def test_unknown_code_is_shown() -> None:
    assert finding({"code": "spf.unheard-of", "params": {}}) == (
        "The check reports <code>spf.unheard-of</code>. The evidence shows the details."
    )


def test_published_values_are_escaped() -> None:
    found = {"code": "spf.syntax", "params": {"term": "<script>alert(1)</script>"}}

    assert " ".join(finding(found).split()) == (
        "The SPF record is invalid because of <code>&lt;script&gt;alert(1)&lt;/script&gt;</code>. "
        "Correct that term."
    )


def test_template_of_code() -> None:
    assert template_of("mx-ttl.too-high") == "checks/findings/mx-ttl.html#too-high"


@pytest.mark.parametrize(("earlier", "code"), RENAMED_CODES.items())
def test_earlier_code_has_the_present_sentence(earlier: str, code: str) -> None:
    params = {name: _value(name, number) for number, name in enumerate(CODES[code])}

    sentence = finding({"code": earlier, "params": params})

    assert sentence == finding({"code": code, "params": params})
    assert earlier not in sentence


def test_no_earlier_code_is_in_use() -> None:
    assert set(RENAMED_CODES) & set(CODES) == set()


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ([], "<code></code>"),
        (["a.test"], "<code>a.test</code>"),
        (["a.test", "b.test"], "<code>a.test</code> and <code>b.test</code>"),
        (["a", "b", "<c>"], "<code>a</code>, <code>b</code> and <code>&lt;c&gt;</code>"),
    ],
)
def test_code_list_joins_names(names: list[str], shown: str) -> None:
    assert code_list(names) == shown


def reasons_in_engine() -> set[str]:
    """The stable reasons that the engine writes into failures."""
    classes = {"LookupFailure", "Referral", "ConnectionFailure", "HandshakeFailure"}
    trees = [ast.parse(path.read_text()) for path in Path(engine.__path__[0]).rglob("*.py")]
    written = {
        node.args[0].value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in classes
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    faults = {value for name, value in vars(dnssec).items() if name.isupper() and value}
    return {reason for reason in (written | faults) if isinstance(reason, str)}


def test_every_reason_has_a_label() -> None:
    unlabelled = {reason for reason in reasons_in_engine() if reason_labels(reason) == reason}

    # This word is its own label.
    assert unlabelled == {"refused"}


REPLIES = (
    SmtpReply(),
    SmtpReply(220, ("mail.example.test",)),
    SmtpReply(250, ("ok",)),
    SmtpReply(421, ("4.3.2 busy",)),
    SmtpReply(554, ("5.7.1 Access denied",)),
    SmtpReply(550, ("5.1.1 nobody",)),
    SmtpReply(550),
)
CONNECTIONS: tuple[SmtpDialogue | ConnectionFailure, ...] = (
    *(ConnectionFailure(reason) for reason in ("refused", "timeout", "unreachable", "reset")),
    *(
        SmtpDialogue(greeting, waited_seconds=seconds)
        for greeting in REPLIES
        for seconds in (0, 10)
    ),
    *(
        SmtpDialogue(REPLIES[1], ehlo, bool(error), None, error, reply, helo)
        for ehlo in REPLIES
        for reply in (None, *REPLIES)
        for helo in {False, ehlo.code >= 500}
        for error in ("", "closed", "timeout")
    ),
)
NOW = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
# A missing value in a sentence: an empty code span or bracket, a code 0, or a name of Python.
MISSING = re.compile(r"<code>\s*0?\s*</code>|<code>0 |\(0?\)|: \.|None|Error\b|\[\]")


def host_findings() -> set[str]:
    """The sentences of all findings about hosts, from the judgement of real dialogues."""
    found = [
        finding_
        for result in CONNECTIONS
        for allowed in (True, False)
        for finding_ in smtp.judge(
            "mail.example.test", 25, result, vantage_allowed=allowed, now=NOW, recipient="a@b.test"
        )[1]
    ]
    found += [
        lockdown.judge(host, 25, result, control=control)[1]
        for result in CONNECTIONS
        for host in ("mail.example.test", "example-test.mail.protection.outlook.com")
        for control in (None, ("control.example.test", 25))
    ]
    found += [
        finding_
        for reason in ("closed", "timeout", "UNSUPPORTED_PROTOCOL", "WRONG_VERSION_NUMBER")
        for finding_ in ldaps.judge(
            "ldap.example.test", 636, ldaps.NoTls(reason, 5), vantage_allowed=True, now=NOW
        )[1]
    ]
    return {finding({"code": each.code, "params": dict(each.params)}) for each in found}


def test_sentences_about_hosts_are_complete() -> None:
    sentences = host_findings()

    assert len(sentences) > 20
    assert [sentence for sentence in sentences if MISSING.search(sentence)] == []


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ("timeout", "no answer in time"),
        (["lame", "refused"], "the server does not know the zone, refused"),
        ("ENOBUFS", "ENOBUFS"),
    ],
)
def test_reason_labels(reasons: str | list[str], words: str) -> None:
    assert reason_labels(reasons) == words


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("MX lists <code>a.test</code>.", []),
        ("Is it <strong>safe</strong>?", []),
        ("MX lists hosts of another region ().", ["()"]),
        ("The server answers (None).", ["None"]),
        ("MX lists [&#x27;a.test&#x27;].", ["[&#x27;", "&#x27;]"]),
        ("MX lists <code> </code>.", ["<code> </code>"]),
        ("It was sent at .", [" ."]),
        ("It ends", ["no full stop: It ends"]),
    ],
)
def test_unreadable_sentences_are_found(sentence: str, expected: list[str]) -> None:
    assert faults(sentence) == expected


@pytest.mark.parametrize(
    ("code", "params", "sentence"),
    [
        (
            "mx.wrong-region",
            {"hosts": ["service-alpha-inbound-a.mimecast.com"], "regions": []},
            "MX lists hosts of Mimecast that are not inbound hosts of this tenant’s region: "
            "<code>service-alpha-inbound-a.mimecast.com</code>. "
            "Use the hosts of this tenant’s region.",
        ),
        (
            "dns.servers-disagree",
            {"agreeing": [], "lagging": ["ns1.test (192.0.2.1)"]},
            "The name servers disagree. Not yet: <code>ns1.test (192.0.2.1)</code>. "
            "This often resolves automatically when the zone reaches all servers.",
        ),
        (
            "spf.no-network-passes",
            {"total": 1, "include": "us.test"},
            "Mail from Mimecast does not pass: the record authorises none of the 1 network behind "
            "<code>us.test</code>. Add <code>include:us.test</code>.",
        ),
        (
            "spf.permerror",
            {"problem": "too-many-hosts", "detail": "mx"},
            "Receivers cannot evaluate the SPF record "
            "(permerror, more than 10 hosts of one term): "
            "<code>mx</code>.",
        ),
        (
            "mta-sts.media-type",
            {"host": "mta-sts.a.test", "media_type": "none"},
            "<code>mta-sts.a.test</code> serves the policy without a media type. Some senders "
            "accept only <code>text/plain</code>. "
            "Change the type in the configuration of the web server.",
        ),
    ],
)
def test_sentence_fits_its_parameters(code: str, params: dict[str, Any], sentence: str) -> None:
    assert " ".join(finding({"code": code, "params": params}).split()) == sentence
