"""Encode typed answers as compact JSON and decode them, so that stored answers can be judged again.

A dataclass is an object with its type name under `$` and the fields that differ from their
defaults. Plain JSON values represent themselves. A tuple is an array.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
from collections.abc import Mapping
from enum import Enum
from typing import Any

from checks.engine.dns.lookup import (
    Delegation,
    LookupFailure,
    NoName,
    NoRecord,
    Record,
    Records,
    Referral,
    Server,
)
from checks.engine.hosts.certificates import Certificate, TlsFacts
from checks.engine.hosts.https import Fetched, FetchFailure, NoHandshake, NotFetched
from checks.engine.hosts.ldaps import LdapsAnswer, NoTls
from checks.engine.hosts.prober import ConnectionFailure, NotProbed
from checks.engine.hosts.smtp import SmtpDialogue, SmtpReply
from checks.engine.outcomes import Finding, Verdict

# Databases contain these names and the field names: a renamed class has its old name here.
_TYPES: dict[str, type[Any]] = {
    "Server": Server,
    "Record": Record,
    "Records": Records,
    "NoRecord": NoRecord,
    "NoName": NoName,
    "CouldNotTell": LookupFailure,
    "Delegation": Delegation,
    "Referral": Referral,
    "Refused": NotProbed,
    "Unreached": ConnectionFailure,
    "Finding": Finding,
    "Reply": SmtpReply,
    "Dialogue": SmtpDialogue,
    "TlsFacts": TlsFacts,
    "Certificate": Certificate,
    "NoTls": NoTls,
    "Answered": LdapsAnswer,
    "Fetched": Fetched,
    "NotFetched": NotFetched,
    "NoHandshake": NoHandshake,
}
_ENUMS: dict[str, type[Enum]] = {"Verdict": Verdict, "Failure": FetchFailure}
_NAMES = {kind: name for name, kind in (*_TYPES.items(), *_ENUMS.items())}
_TYPE = "$"


def encode(value: Any) -> Any:
    """Return the value as JSON. Raises TypeError for a type that is not registered here."""
    match value:
        # Before str: a StrEnum is a str too, and would lose its type.
        case Enum():
            return {_TYPE: _NAMES[type(value)], "is": value.value}
        case None | bool() | int() | float() | str():
            return value
        case tuple():
            return [encode(each) for each in value]
    if type(value) in _NAMES:
        return _encode_dataclass(value)
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


def _encode_dataclass(value: Any) -> dict[str, Any]:
    encoded: dict[str, Any] = {_TYPE: _NAMES[type(value)]}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        # In Python 0 == False, so the second test stores False where the default is 0.
        if content != field.default or isinstance(content, bool) != isinstance(field.default, bool):
            encoded[field.name] = encode(content)
    return encoded


def decode(encoded: Any) -> Any:
    """Return the value that `encode` wrote. Raises KeyError for an unknown type."""
    if isinstance(encoded, list):
        return tuple(decode(each) for each in encoded)
    if not isinstance(encoded, dict):
        return encoded
    match encoded[_TYPE]:
        case "list":
            return [decode(each) for each in encoded["is"]]
        case "bytes":
            return base64.b64decode(encoded["is"])
        case "moment":
            return datetime.datetime.fromisoformat(encoded["is"])
        case "map":
            return {key: decode(each) for key, each in encoded["is"].items()}
        case name if name in _ENUMS:
            return _ENUMS[name](encoded["is"])
    fields = {key: decode(each) for key, each in encoded.items() if key != _TYPE}
    return _TYPES[encoded[_TYPE]](**fields)
