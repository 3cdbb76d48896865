"""The source “Exchange Online export”: its facts and its rules."""

from __future__ import annotations

from checks.engine.expected_values import MailPlatform
from checks.engine.outcomes import CheckKind
from checks.engine.sources.exchange_online import (
    connection_filter,
    domains,
    enhanced_filtering,
    inbound_connector,
    journaling,
    outbound_connector,
    script,
)
from checks.engine.sources.exchange_online.tables import DOMAINS, LISTED
from checks.engine.sources.facts import Strength
from checks.engine.sources.rules import ProofSource, Rule

_HYBRID = frozenset({MailPlatform.HYBRID})

SOURCE = ProofSource(
    key="exchange_online",
    title="Exchange Online export",
    platforms=frozenset({MailPlatform.MICROSOFT_365, MailPlatform.HYBRID}),
    listed=LISTED,
    organisation=(DOMAINS, "DomainName"),
    rules=(
        Rule(
            CheckKind.CONNECTION_FILTER,
            Strength.STRONG,
            connection_filter.NEEDS,
            connection_filter.judge,
        ),
        Rule(
            CheckKind.INBOUND_CONNECTOR,
            Strength.STRONG,
            inbound_connector.NEEDS,
            inbound_connector.judge,
            # The servers of the company's own network have a firewall of their own.
            half_of=_HYBRID,
        ),
        Rule(
            CheckKind.OUTBOUND_CONNECTOR,
            Strength.STRONG,
            outbound_connector.NEEDS,
            outbound_connector.judge,
        ),
        Rule(
            CheckKind.ENHANCED_FILTERING,
            Strength.SUPPORT,
            enhanced_filtering.NEEDS,
            enhanced_filtering.judge,
        ),
        Rule(
            CheckKind.CLOUD_JOURNALING,
            Strength.STRONG,
            journaling.NEEDS,
            journaling.judge,
            half_of=_HYBRID,
        ),
        Rule(
            CheckKind.ACCEPTED_DOMAINS,
            Strength.SUPPORT,
            domains.ACCEPTED_NEEDS,
            domains.judge_accepted,
        ),
        Rule(
            CheckKind.CLOUD_SIGNING, Strength.SUPPORT, domains.SIGNING_NEEDS, domains.judge_signing
        ),
    ),
    script=script.script,
    script_name=script.NAME,
)
