"""Every finding code has a sentence, and the sentence contains the parameters of the finding."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from checks.engine.codes import CODES, RENAMED_CODES
from checks.templatetags.findings import code_list, finding, reason_labels, template_of

SENTENCES = Path(settings.BASE_DIR) / "templates" / "checks" / "findings"
LISTS = {"servers", "resolvers", "parent", "delegated", "reasons", "agreeing",
         "lagging", "failing",
         "hosts", "regions", "addresses",
         "names", "uses", "hashes",
         "destinations", "tags", "selectors"}  # fmt: skip
NUMBERS = {"count", "lookups", "limit", "branch_lookups", "void_lookups", "total", "passing",
           "ttl", "threshold", "port", "days", "bits", "percent", "max_age",
           "budget_seconds", "length", "term_count"}  # fmt: skip


def _value(name: str, number: int) -> Any:
    if name in NUMBERS:
        return 4000 + number
    if name in ("not_after", "not_before", "sent_at", "cutover", "expired_at"):
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
