"""The sentence of a finding, from templates/checks/findings, one file per group."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from checks.engine.codes import RENAMED_CODES

register = template.Library()

# The sentences that a process remembers.
SENTENCES = 8192
FALLBACK_TEMPLATE = "checks/findings/unknown_code.html"


def template_of(code: str) -> str:
    """`spf.permerror` is the partial `permerror` in the file spf.html."""
    group, _, name = RENAMED_CODES.get(code, code).partition(".")
    return f"checks/findings/{group}.html#{name}"


@register.simple_tag
def finding(found: Mapping[str, Any]) -> SafeString:
    """Return the sentence of a stored finding; without a template, one with its code."""
    return _sentence_before(str(found.get("code", "")), json.dumps(found.get("params") or {}))


def sentence(code: str, params: str) -> SafeString:
    """The sentence of a finding with its parameters as JSON. It depends on nothing else."""
    try:
        template_of_code = get_template(template_of(code))
    except TemplateDoesNotExist:
        return mark_safe(get_template(FALLBACK_TEMPLATE).render({"finding_code": code}).strip())
    # Rendering has escaped the values; strip() removes only white space.
    return mark_safe(template_of_code.render(json.loads(params)).strip())


_sentence_before = functools.lru_cache(SENTENCES)(sentence)


@register.filter
def latest_findings(check: Any) -> list[Mapping[str, Any]]:
    """The findings of the newest run; empty before the first run."""
    return check.latest.findings if check is not None and check.latest is not None else []


@register.filter
def code_list(names: Sequence[str]) -> SafeString:
    """Names as DNS writes them: one, one and another, one, another and a third."""
    *others, last = names or [""]
    shown = format_html("<code>{}</code>", last)
    if not others:
        return shown
    return format_html(
        "{} and {}", format_html_join(", ", "<code>{}</code>", ((name,) for name in others)), shown
    )


# Labels for the engine's stable reasons for a missing answer.
_REASON_LABELS = {
    "timeout": "no answer in time",
    "servfail": "the server reports an internal failure",
    "refused": "refused",
    "lame": "the server does not know the zone",
    "malformed": "the answer is unreadable",
    "oversized": "the answer is larger than requested",
    "truncated": "the answer was truncated and not available over TCP",
    "cname-loop": "the alias forms a loop",
    "alias-unresolved": "the target of the alias could not be resolved",
    "unconfirmed": "only the resolvers report that the name does not exist",
    "unreachable": "no route to the host",
    "reset": "the connection was reset",
    "closed": "the connection was closed",
    "reply-too-long": "the reply is too long",
    # OpenSSL's names of the usual errors of a handshake
    "UNSUPPORTED_PROTOCOL": "the server does not support TLS 1.2",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server does not support TLS 1.2",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "the server accepts none of the offered ciphers or has no certificate"
    ),
    "TLSV1_UNRECOGNIZED_NAME": "the server is not configured for this name",
    "TLSV1_ALERT_INTERNAL_ERROR": "the server reports an internal failure",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server requires a client certificate",
    "WRONG_VERSION_NUMBER": "the reply is not TLS",
    "DH_KEY_TOO_SMALL": "the key exchange is too weak",
    "no-address": "no address",
    "not-allowed": "the address is not public",
    "no-budget": "the time of the check was over",
    "dnssec-rejected": "a validating resolver rejects the answer because of DNSSEC",
    "dnssec-expired": "the DNSSEC signature has expired",
    "dnssec-not-yet-valid": "the DNSSEC signature is not yet valid",
    "dnssec-no-matching-key": "no DNSSEC key matches the DS record",
    "dnssec-signature-missing": "the DNSSEC signature is missing",
    "dnssec-signature-invalid": "the DNSSEC signature is invalid",
    "dnssec-denial-unproven": "the DNSSEC proof that the record does not exist is incomplete",
    "not-queried": "not queried",
    # SPF records that receivers cannot evaluate (RFC 7208 4.6 and 5)
    "loop": "the record includes itself",
    "no-record": "no SPF record",
    "several-records": "several records",
    "syntax": "a syntax error",
    "too-many-hosts": "more than 10 hosts of one term",
    "too-many-lookups": "too many DNS lookups",
    "too-many-void-lookups": "too many names that do not exist",
    "lookup-failed": "no answer",
    # The earlier names of two reasons, in stored evidence.
    "could-not-tell": "no answer",
    "not-asked": "not queried",
}


@register.filter
def reason_labels(reasons: str | Sequence[str]) -> str:
    """Labels of the engine's reasons for a failed run; an unknown reason is shown unchanged."""
    codes = [reasons] if isinstance(reasons, str) else reasons
    return ", ".join(_REASON_LABELS.get(code, code) for code in codes)
