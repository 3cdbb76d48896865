"""Hides secrets in logs and error reports, including those that a library writes."""

from __future__ import annotations

import logging
import re
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

HIDDEN = "[hidden]"
_NAMES = (
    r"[\w-]*password\d?|passwd|passphrase|[\w-]*secret|[\w-]*token|[\w-]*token_hint|"
    r"[\w-]*assertion|samlresponse|code_verifier|credential|authorization|"
    r"(?:auth|authorization|device|user|login|recovery)[_-]code|"
    r"(?:set-)?cookie|sessionid|__host-session|__host-csrf|api[-_]?key"
)
# name=value, "name": "value", Name: value. Cookie and authorisation headers are hidden to the end.
_HEADERS = re.compile(r"(?i)\b((?:set-)?cookie|authorization)(['\"]?\s*[:=]\s*)[^\r\n]+")
# The start of a name, also in an address that is a value of another, such as `?next=`.
_START = r"(?:(?<![\w-])|(?<=%3F)|(?<=%26))"
_PAIRS = re.compile(
    rf"(?i){_START}((?:{_NAMES})['\"]?\s*(?:[:=]|%3D)\s*(?!\[hidden\])\[?['\"]?)"
    # A quoted value ends at its quote.
    r"(?:(?<=')[^'\r\n]+|(?<=\")(?:\\.|[^\"\\\r\n])+|(?:(?!%26)[^\s'\"&,;}\]])+)"
)
# A sign-in code of Gangway or of a provider: `K7QW2F`, `M.R3_BAY.c0ff`, `4/0AY0e`.
# The reply code of a mail host has three digits and remains visible.
_CODES = re.compile(
    rf"(?i){_START}(code['\"]?\s*(?:[:=]|%3D)\s*\[?['\"]?)"
    r"(?!\[?hidden\]|\d{3}[,;:.)\]}]*(?:[\s'\"&]|%26|$))(?:(?!%26)[^\s'\"&]){4,}"
)
# Links in e-mails have their secret as a path segment. Other segments are shorter or lack digits.
_SEGMENTS = re.compile(r"(?:(?<=/)|(?<=%2F))(?=[\w.:~=-]*\d)[\w.:~=-]{28,}")
# API tokens and SCIM tokens, in any place.
_OWN_TOKENS = re.compile(r"gangway_[\w-]{40,}")
_SCHEMES = re.compile(r"(?i)\b((?:bearer|basic)(?:\s+|%20|\+))[\w.~+/=-]{16,}")
# The tokens of an identity provider begin with `{"`, in Base64.
_WEB_TOKENS = re.compile(r"(?:(?<![\w-])|(?<=%[0-9A-F][0-9A-F]))eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)*")
# The secret of a webhook, and the addresses of Slack and Teams, which are secrets themselves.
_WEBHOOK_SECRETS = re.compile(r"whsec_[\w+/=]+")
_WEBHOOK_TARGETS = re.compile(
    r"(?i)(?<=://)([\w.-]*(?:hooks\.slack\.com|webhook\.office\.com|logic\.azure\.com)"
    r"(?::\d+)?/)[^\s'\"<>]+"
)
_URL_CREDENTIALS = re.compile(
    # The password of a database or a broker can contain any character. It ends at the last `@`.
    r"(?i)(?<=://)(?:(?<!http://)(?<!https://)[^/\s:@'\"]*:[^\s'\"]{1,256}|[^/\s:@]*:[^/\s@]+)(?=@)"
)
_SECRET_NAME = re.compile(
    r"(?i)(pass|secret|token|signature|key|session|cookie|credential|csrf|assertion|saml|"
    r"authorization|verifier)"
)


def redact(text: str) -> str:
    """The text without the values of passwords, codes, tokens, cookies and links in e-mails."""
    text = _HEADERS.sub(rf"\1\2{HIDDEN}", text)
    # Before the names, whose values end at a comma.
    text = _URL_CREDENTIALS.sub(HIDDEN, text)
    text = _OWN_TOKENS.sub(HIDDEN, text)
    text = _WEB_TOKENS.sub(HIDDEN, text)
    text = _PAIRS.sub(rf"\1{HIDDEN}", text)
    text = _SCHEMES.sub(rf"\1{HIDDEN}", text)
    text = _CODES.sub(rf"\1{HIDDEN}", text)
    text = _WEBHOOK_SECRETS.sub(HIDDEN, text)
    text = _WEBHOOK_TARGETS.sub(rf"\1{HIDDEN}", text)
    return _SEGMENTS.sub(HIDDEN, text)


class RedactingFormatter(logging.Formatter):
    """Redacts the complete line, so that it covers tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class RedactingExceptionReporter(ExceptionReporter):
    """Redacts the exception's message, which often quotes the value."""

    def get_traceback_data(self) -> dict[str, Any]:
        data = super().get_traceback_data()
        if "exception_value" in data:
            data["exception_value"] = redact(str(data["exception_value"]))
        return data


class RedactingReporterFilter(SafeExceptionReporterFilter):
    """Hides values by name, also with DEBUG on and in undecorated views."""

    hidden_settings = re.compile(rf"(?i)({_SECRET_NAME.pattern[4:]}|api|database|broker|redis)")

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        parameters = super().get_post_parameters(request)
        return {name: _hidden_if_secret(name, value) for name, value in parameters.items()}

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> ItemsView[str, Any]:
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return {name: _hidden_if_secret(name, value) for name, value in variables}.items()


def _hidden_if_secret(name: str, value: Any) -> Any:
    """A request contains the typed values, under any variable name."""
    if _SECRET_NAME.search(name) or isinstance(value, HttpRequest):
        return HIDDEN
    return redact(value) if isinstance(value, str) else value
