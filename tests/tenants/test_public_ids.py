"""Random identifiers."""

from __future__ import annotations

import re

from tenants.public_ids import new_public_id


def test_both_ends_are_letters_or_digits() -> None:
    ids = [new_public_id() for _ in range(2_000)]

    assert len(set(ids)) == 2_000
    assert {len(each) for each in ids} == {16}
    assert all(re.fullmatch(r"[A-Za-z0-9][\w-]{14}[A-Za-z0-9]", each) for each in ids)
    assert any("-" in each for each in ids)
