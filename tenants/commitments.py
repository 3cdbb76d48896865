"""The personal values in lines of the installation's log, which an erasure removes.

A line contains a salted SHA-256, the commitment, in place of each value: the address or the name of
a person. The value itself is in a table of its own. Without it, the line still verifies.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tenants.activity_names import ActivityName

COMMITMENT = "commitment"
LONGEST_VALUE = 254
# Every string of this form is an address, in lines of any action.
_ADDRESS = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]{1,253}")
# The field of a sign-in accepts any text, and a person can type an address with a mistake.
_ANY_TEXT = (ActivityName.SIGN_IN_FAILED, "address")


@dataclass(frozen=True)
class PersonalValue:
    """A value outside the line. `owner`: the address of the person whose name it is."""

    value: str
    salt: str
    owner: str = ""

    @property
    def commitment(self) -> str:
        """SHA-256 as hex of a JSON array: the salt of 256 random bits, the value, the owner."""
        content = [self.salt, self.value, *([self.owner] if self.owner else [])]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def commit(
    action: ActivityName, params: Mapping[str, Any]
) -> tuple[dict[str, Any], list[PersonalValue]]:
    """The parameters with commitments, and the values that belong outside the line."""
    found: list[PersonalValue] = []

    def committed(key: str, value: str, siblings: Mapping[str, Any]) -> Any:
        owner = str(siblings.get("email", "")) if key == "name" else ""
        is_personal = is_address(value) or (value and is_address(owner))
        if not is_personal and (not value or (action, key) != _ANY_TEXT):
            return value
        each = PersonalValue(value[:LONGEST_VALUE], secrets.token_hex(32), owner)
        found.append(each)
        return {COMMITMENT: each.commitment}

    return _mapped(params, committed), found


def with_values(params: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """The parameters with the values of their commitments, or a note about an erasure."""
    return _replaced(params, values)  # type: ignore[no-any-return]  # a mapping remains one


def commitments_in(value: Any) -> Iterator[str]:
    if is_commitment(value):
        yield str(value[COMMITMENT])
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from commitments_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from commitments_in(each)


def texts_in(value: Any) -> Iterator[str]:
    """All strings in the parameters of a line."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)


def is_commitment(value: object) -> bool:
    """Whether it is a commitment to a value: `{"commitment": "<SHA-256 as hex>"}`."""
    return isinstance(value, dict) and set(value) == {COMMITMENT}


def is_address(text: str) -> bool:
    return len(text) <= LONGEST_VALUE and _ADDRESS.fullmatch(text) is not None


def _mapped(
    params: Mapping[str, Any], change: Callable[[str, str, Mapping[str, Any]], Any]
) -> dict[str, Any]:
    def walk(key: str, value: Any, siblings: Mapping[str, Any]) -> Any:
        if isinstance(value, str):
            return change(key, value, siblings)
        if isinstance(value, Mapping):
            return {name: walk(name, each, value) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [walk(key, each, {}) for each in value]
        return value

    return {name: walk(name, each, params) for name, each in params.items()}


def _replaced(value: Any, values: Mapping[str, str]) -> Any:
    if is_commitment(value):
        return values.get(value[COMMITMENT], "(erased)")
    if isinstance(value, Mapping):
        return {name: _replaced(each, values) for name, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, values) for each in value]
    return value
