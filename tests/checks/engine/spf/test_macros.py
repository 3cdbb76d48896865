"""Macros beyond the published suite: any expanded target name fits DNS."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from checks.engine.spf.macros import MAX_NAME, MacroValues, expand_name, is_domain_spec

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
