"""Macros beyond the published suite: any expanded target name fits DNS."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.engine.spf.macros import (
    MAX_NAME,
    MacroValues,
    expand,
    expand_name,
    is_domain_spec,
    is_dynamic,
    is_macro_string,
    macro_letters,
    shorten_name,
)

PARTS = st.lists(
    st.sampled_from(
        ["%{i}", "%{ir}", "%{s}", "%{l-}", "%{d2}", "%{D1r+}", "%{h}", "%{p}", "%{v}", "%%", "%_",
         "a" * 60, ".", "x.", "-", "1", "com"]
    ),
    max_size=12,
)  # fmt: skip


async def no_validated_name() -> str:
    return "unknown"


@given(PARTS, st.sampled_from(["192.0.2.3", "2001:db8::1"]), st.text(max_size=20))
def test_expanded_name_fits_limit(parts: list[str], address: str, local_part: str) -> None:
    text = "".join(parts)
    values = MacroValues(
        ip_address(address),
        "example.test",
        f"{local_part}@example.test",
        "helo.test",
        no_validated_name,
    )

    name = asyncio.run(expand_name(text, values))

    assert len(name) <= MAX_NAME or "." not in name
    assert isinstance(is_domain_spec(text), bool)


def expanded(text: str, address: str = "192.0.2.3") -> str:
    async def validated() -> str:
        return "host.example.test"

    values = MacroValues(
        ip_address(address), "mail.example.test", "a+b=c/d@sender.test", "heXlo.test", validated
    )
    return asyncio.run(expand(text, values))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain.test", "plain.test"),
        ("%{s}", "a+b=c/d@sender.test"),
        ("%{l}", "a+b=c/d"),
        ("%{o}", "sender.test"),
        ("%{d}", "mail.example.test"),
        ("%{h}", "heXlo.test"),
        ("%{p}", "host.example.test"),
        ("%{i}", "192.0.2.3"),
        ("%{c}", "192.0.2.3"),
        ("%{v}", "in-addr"),
        # The receiver is not known.
        ("%{r}", "unknown"),
        ("x.%{d}.y.%{o}.z", "x.mail.example.test.y.sender.test.z"),
        ("%%.%_.%-", "%. .%20"),
        ("%{d2}", "example.test"),
        ("%{d9}", "mail.example.test"),
        ("%{dr}", "test.example.mail"),
        ("%{dR}", "test.example.mail"),
        ("%{hr}", "test.heXlo"),
        ("%{d1r}", "mail"),
        ("%{l+}", "a.b=c/d"),
        ("%{l+=}", "a.b.c/d"),
        ("%{lr+}", "b=c/d.a"),
        ("%{l1=}", "c/d"),
        # An upper-case letter escapes, after the transformation.
        ("%{L}", "a%2Bb%3Dc%2Fd"),
        ("%{L1+}", "b%3Dc%2Fd"),
        ("%{D}", "mail.example.test"),
    ],
)
def test_expanded_macro(text: str, expected: str) -> None:
    assert expanded(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%{i}", ".".join("20010DB8000000000000000000000007")),
        ("%{c}", "2001:db8::7"),
        ("%{v}", "ip6"),
        ("%{ir}", ".".join(reversed("20010DB8000000000000000000000007"))),
    ],
)
def test_expanded_ipv6_macro(text: str, expected: str) -> None:
    assert expanded(text, "2001:db8::7") == expected


def test_time_macro_is_in_seconds() -> None:
    assert expanded("%{t}").isdigit()
    assert len(expanded("%{t}")) == 10


@pytest.mark.parametrize(
    ("text", "is_valid", "is_valid_explanation"),
    [
        ("", True, True),
        ("a.%{i}.%%.%_", True, True),
        ("%{d10rR.-}", False, False),
        ("%{d10R.-}", True, True),
        ("%{d0}", False, False),
        ("%{d00r}", False, False),
        ("%{x}", False, False),
        ("100%", False, False),
        ("with space", False, True),
        ("tab\t", False, False),
    ],
)
def test_macro_string(text: str, is_valid: bool, is_valid_explanation: bool) -> None:
    assert is_macro_string(text) is is_valid
    assert is_macro_string(text, with_spaces=True) is is_valid_explanation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x.test", True),
        ("x.test.", True),
        ("x.t-1", True),
        ("x.%{d}", True),
        ("%{i}", True),
        ("test", False),
        ("x.123", False),
        ("x.-a", False),
        ("x y.test", False),
        # These letters are for explanations only.
        ("%{c}.x.test", False),
        ("%{R}.x.test", False),
        ("%{t}.x.test", False),
    ],
)
def test_domain_spec(text: str, expected: bool) -> None:
    assert is_domain_spec(text) is expected


@pytest.mark.parametrize(
    ("text", "letters", "expected"),
    [
        ("x.test", "", False),
        ("%{D}.%{o2r}.%%", "do", False),
        ("%{i}", "i", True),
        ("%{L}.%{d}", "ld", True),
        ("%{v}", "v", False),
        ("%{p}", "p", True),
        ("%{h}", "h", True),
        ("%{s}", "s", True),
    ],
)
def test_letters_that_vary(text: str, letters: str, expected: bool) -> None:
    assert macro_letters(text) == set(letters)
    assert is_dynamic(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x.test.", "x.test"),
        (
            "a" * 100 + "." + "b" * 100 + "." + "c" * 51,
            "a" * 100 + "." + "b" * 100 + "." + "c" * 51,
        ),
        ("a" * 100 + "." + "b" * 100 + "." + "c" * 52, "b" * 100 + "." + "c" * 52),
        ("a." * 10 + "b" * 252, "b" * 252),
        ("b" * 300, "b" * 300),
    ],
)
def test_long_name_loses_its_first_labels(text: str, expected: str) -> None:
    assert shorten_name(text) == expected
