"""Typed answers as compact JSON and back, so that what was seen can be kept and judged again.

A value of a type of ours is an object with its type's name under `$` and the fields that differ
from their defaults. Plain JSON values stand for themselves; a tuple is an array.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
from collections.abc import Mapping
from enum import Enum
from typing import Any

from checks.engine.certificates import Certificate, TlsFacts
from checks.engine.hosts import Refused, Unreached
from checks.engine.https import Failure, Fetched, NotFetched
from checks.engine.ldaps import Answered, NoTls
from checks.engine.lookup import (
    CouldNotTell,
    Delegation,
    NoName,
    NoRecord,
    Record,
    Records,
    Referral,
    Server,
)
from checks.engine.outcomes import Finding, Verdict
from checks.engine.smtp import Dialogue, Reply

# The names are kept in databases: a type that is renamed keeps its old name here.
_RECORDS: dict[str, type[Any]] = {
    "Server": Server,
    "Record": Record,
    "Records": Records,
    "NoRecord": NoRecord,
    "NoName": NoName,
    "CouldNotTell": CouldNotTell,
    "Delegation": Delegation,
    "Referral": Referral,
    "Refused": Refused,
    "Unreached": Unreached,
    "Finding": Finding,
    "Reply": Reply,
    "Dialogue": Dialogue,
    "TlsFacts": TlsFacts,
    "Certificate": Certificate,
    "NoTls": NoTls,
    "Answered": Answered,
    "Fetched": Fetched,
    "NotFetched": NotFetched,
}
_ENUMS: dict[str, type[Enum]] = {"Verdict": Verdict, "Failure": Failure}
_NAMES = {kind: name for name, kind in (*_RECORDS.items(), *_ENUMS.items())}
_TYPE = "$"


def encode(value: Any) -> Any:
    """The value as JSON. TypeError for a type that nobody has named here."""
    match value:
        case Enum():
            return {_TYPE: _NAMES[type(value)], "is": value.value}
        case None | bool() | int() | float() | str():
            return value
        case tuple():
            return [encode(each) for each in value]
    if type(value) in _NAMES:
        return _encode_record(value)
    return _encode_plain(value)


def _encode_plain(value: Any) -> dict[str, Any]:
    match value:
        case list():
            return {_TYPE: "list", "is": [encode(each) for each in value]}
        case bytes():
            return {_TYPE: "bytes", "is": base64.b64encode(value).decode()}
        case datetime.datetime():
            return {_TYPE: "moment", "is": value.isoformat()}
        case Mapping():
            return {_TYPE: "map", "is": {key: encode(each) for key, each in value.items()}}
    raise TypeError(f"{type(value).__name__} has no form as raw answer")


def _encode_record(value: Any) -> dict[str, Any]:
    written: dict[str, Any] = {_TYPE: _NAMES[type(value)]}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if content != field.default or isinstance(content, bool) != isinstance(field.default, bool):
            written[field.name] = encode(content)
    return written


def decode(written: Any) -> Any:
    """The value that `encode` wrote. KeyError for a type that is no longer known."""
    if isinstance(written, list):
        return tuple(decode(each) for each in written)
    if not isinstance(written, dict):
        return written
    match written[_TYPE]:
        case "list":
            return [decode(each) for each in written["is"]]
        case "bytes":
            return base64.b64decode(written["is"])
        case "moment":
            return datetime.datetime.fromisoformat(written["is"])
        case "map":
            return {key: decode(each) for key, each in written["is"].items()}
        case name if name in _ENUMS:
            return _ENUMS[name](written["is"])
    fields = {key: decode(each) for key, each in written.items() if key != _TYPE}
    return _RECORDS[written[_TYPE]](**fields)
