"""Tests of the shipped template against Mimecast's article, in its order."""

from __future__ import annotations

import re
from typing import Any

import pytest

from onboarding.plan_templates.registry import TEMPLATES_DIR
from onboarding.plan_templates.template_version import flat, load_template_file
from onboarding.plan_templates.yaml_tasks import literal_gap

# The item as it begins, its phase, its group, the side the article names, and whether it names one.
ARTICLE = [
    ("Initial conversation to review the implementation plan", 1, None, "both", False),
    ("Identifying your mail flow infrastructure", 1, None, "both", True),
    ("Review the complete Implementation plan", 1, None, "both", True),
    ("Assist with Request for Information (RFI) completion", 1, None, "both", True),
    ("End User Asset Library", 1, None, "client", True),
    ("Account Creation", 2, None, "mimecast", True),
    ("Email Security Setup Wizard (Account Setup and Steps)", 2, None, "both", False),
    ("Out of the Box Settings", 2, None, "mimecast", True),
    ("Adding Additional Administrators and/or Roles", 2, None, "both", True),
    ("The Email Security Setup Wizard will gather all", 2, None, "both", False),
    ("DNS TXT record to identify ownership of domains", 3, None, "client", True),
    ("Configure Directory Connector", 3, None, "client", True),
    ("Configure LDAP connector", 3, "Configure Directory Connector", "client", True),
    ("Configure Azure AD Sync", 3, "Configure Directory Connector", "client", True),
    ("Configure G-Suite Sync", 3, "Configure Directory Connector", "client", True),
    ("MSE Agent Active Directory Push", 3, "Configure Directory Connector", "both", True),
    ("Manual Import", 3, "Configure Directory Connector", "both", True),
    ("Authentication Options", 3, None, "both", True),
    ("Configure Journaling", 3, None, "both", True),
    ("Forwarding Addresses", 4, None, "both", True),
    ("TLS Requirements", 4, None, "both", True),
    ("Branding", 4, None, "client", True),
    ("Internal Email Protect (IEP)", 5, None, "both", True),
    ("Secure Messaging", 5, None, "both", True),
    ("Large File Send (LFS)", 5, None, "both", True),
    ("Stationery/Disclaimer", 5, None, "both", True),
    ("Anti-Spoofing Exceptions", 6, None, "both", True),
    ("Global Blocked/Permitted Senders list", 6, None, "both", True),
    ("Managed Senders List", 6, None, "both", True),
    ("SPF Record Update", 7, None, "client", True),
    ("DKIM Record Update", 7, None, "client", True),
    ("MX Record TTL Update", 7, None, "client", True),
    ("Connectivity", 7, None, "both", False),
    ("Data Centers & URLs", 7, "Connectivity", "client", True),
    ("Office 365 Connection Filter Whitelist", 7, "Connectivity", "client", True),
    ("GSuite Whitelist", 7, "Connectivity", "client", True),
    ("Mimecast Notification Sets", 7, None, "both", True),
    ("Review Inbound Delivery Routes", 7, None, "both", True),
    ("Additional Outbound Policy Creation", 7, None, "both", True),
    ("Outbound Cutover", 7, None, "client", True),
    ("Mimecast Digest Review", 8, None, "both", True),
    ("Targeted Threat Protection (TTP)", 8, None, "both", True),
    ("Attachment Protect", 8, "Targeted Threat Protection (TTP)", "both", True),
    ("Impersonation Protect", 8, "Targeted Threat Protection (TTP)", "both", True),
    ("URL Protect", 8, "Targeted Threat Protection (TTP)", "both", True),
    ("Internal Email Protect (IEP)", 8, "Targeted Threat Protection (TTP)", "both", True),
    ("Inbound Delivery Test", 8, None, "both", True),
    ("MX Record Cutover", 8, None, "client", True),
    ("Firewall/Connection Lockdown", 9, None, "client", True),
    ("Training", 10, None, "both", False),
    ("Mimecast Awareness Training", 11, None, "both", False),
    ("Web Security", 11, None, "both", False),
    ("CyberGraph", 11, None, "both", False),
    ("DMARC Analyzer", 11, None, "both", False),
    ("Mimecast Email Incident Response (MEIR)", 11, None, "both", False),
    ("Implementation case closed", 12, None, "both", False),
]
# Tasks that are not in the article, with the task that each follows.
BESIDE = {
    "wizard-emergency-contact": "setup-wizard-checklist",
    "onmicrosoft-domain": "domain-ownership",
    "recipient-validation": "manual-import",
    "enhanced-filtering": "data-centers-urls",
    "authorised-outbound-addresses": "outbound-cutover",
    "user-notice-outbound": "authorised-outbound-addresses",
    "former-dkim-signing": "user-notice-outbound",
    "outbound-days": "former-dkim-signing",
    "mta-sts-policy": "mx-record-cutover",
    "user-notice-inbound": "mta-sts-policy",
    "direct-send-inventory": "connection-lockdown",
    "decommission-gateway": "case-closure",
}
PHASES = [
    "Onboarding Review",
    "Mimecast Account Creation",
    "Directory Synchronization, Authentication, & Journaling",
    "Outbound Requirements Gathering",
    "Additional Outbound Add-On Considerations",
    "Inbound Requirements Gathering",
    "Outbound Preparation & Cutover",
    "Inbound Preparation & Cutover",
    "Confirmation of Inbound Lockdown",
    "Administration Console",
    "Add-On Packages",
    "Closure",
]


def _items() -> list[dict[str, Any]]:
    """The tasks of the newest template that are in the article."""
    return [row for row in flat(load_template_file()) if row["key"] not in BESIDE]


def test_template_has_the_articles_phases() -> None:
    assert [phase.title for phase in load_template_file().phases] == PHASES


def test_template_has_a_task_for_each_item() -> None:
    assert len(_items()) == len(ARTICLE)


def test_first_version_has_only_the_articles_items() -> None:
    first = flat(load_template_file(TEMPLATES_DIR / "mimecast-1.yaml"))

    assert [(row["key"], row["title"]) for row in first] == [
        (row["key"], row["title"]) for row in _items()
    ]


def test_additional_task_follows_its_item() -> None:
    keys = [row["key"] for row in flat(load_template_file())]

    assert {key: keys[keys.index(key) - 1] for key in BESIDE} == BESIDE


def test_inbound_cutover_waits_for_outbound_days() -> None:
    rows = {row["key"]: row for row in flat(load_template_file())}

    assert rows["outbound-days"]["waits"] == {"after": "outbound-cutover", "days": None}
    assert "outbound-days" in rows["mx-record-cutover"]["depends_on"]
    assert [key for key, row in rows.items() if row["waits"]] == ["outbound-days"]


@pytest.mark.parametrize(
    ("position", "item"), list(enumerate(ARTICLE)), ids=[row[0] for row in ARTICLE]
)
def test_item_has_its_place_and_side(
    position: int, item: tuple[str, int, str | None, str, bool]
) -> None:
    rows = _items()
    row = rows[position]
    titles = {other["key"]: other["title"] for other in rows}

    assert (
        row["title"][: len(item[0])],
        PHASES.index(row["phase_title"]) + 1,
        titles.get(row["parent"]),
        row["responsibility"],
        row["stated"],
    ) == item


def test_titles_match_the_article() -> None:
    longer = [row["title"] for row in _items()]

    assert [title for title, item in zip(longer, ARTICLE, strict=True) if title != item[0]] == [
        "Initial conversation to review the implementation plan and resource allocation",
        "The Email Security Setup Wizard will gather all the required information: Checklist",
    ]


def test_tasks_are_verified_by_these_checks() -> None:
    rows = flat(load_template_file())

    assert {row["key"]: row["check"] for row in rows if row["check"]} == {
        "domain-ownership": "ownership",
        "spf-update": "spf",
        "dkim-update": "dkim",
        "outbound-cutover": "message",
        "mx-ttl-update": "mx_ttl",
        "data-centers-urls": "smtp ldaps",
        "mx-record-cutover": "mx",
        "mta-sts-policy": "mta_sts",
    }
    assert {row["key"]: row["supports"] for row in rows if row["supports"]} == {
        "domain-ownership": ["accepted_domains"],
        "ldap-connector": ["ldaps"],
        "dkim-update": ["message", "cloud_signing"],
        "enhanced-filtering": ["enhanced_filtering"],
        "outbound-cutover": ["dmarc", "outbound_connector"],
        "dmarc-analyzer": ["dmarc"],
        "inbound-delivery-routes": ["smtp"],
        "inbound-delivery-test": ["mx", "delivery_message"],
        "mx-record-cutover": ["mta_sts", "delivery_message"],
        "connection-lockdown": ["lockdown"],
    }
    assert {row["key"]: row["completed_by"] for row in rows if row["completed_by"]} == {
        "configure-journaling": [completing("cloud_journaling")],
        "office-365-connection-filter": [completing("connection_filter")],
        "connection-lockdown": [completing("inbound_connector")],
    }


def completing(check: str) -> dict[str, str]:
    return {"source": "exchange_online", "check": check, "strength": "strong"}


def test_per_domain_tasks_name_domain_roles() -> None:
    sending = ["primary", "secondary", "test", "send_only"]
    receiving = ["primary", "secondary", "test"]

    assert {
        row["key"]: row["domain_roles"] for row in flat(load_template_file()) if row["per_domain"]
    } == {
        "domain-ownership": [*sending, "routing"],
        "spf-update": sending,
        "dkim-update": sending,
        "outbound-cutover": sending,
        "mx-ttl-update": receiving,
        "mx-record-cutover": receiving,
        "mta-sts-policy": receiving,
    }


def test_hard_gates_are_these() -> None:
    assert [row["key"] for row in flat(load_template_file()) if row["gate"] == "hard"] == [
        "outbound-cutover",
        "former-dkim-signing",
        "mx-record-cutover",
        "connection-lockdown",
        "decommission-gateway",
    ]


def test_optional_tasks_are_these() -> None:
    assert [row["key"] for row in flat(load_template_file()) if row["optional"]] == [
        "additional-administrators",
        "branding",
        "managed-senders",
        "dkim-update",
        "connection-lockdown",
        "awareness-training",
        "web-security",
        "cybergraph",
        "dmarc-analyzer",
        "email-incident-response",
    ]


def test_closure_depends_on_every_task() -> None:
    rows = flat(load_template_file())
    closure = next(row for row in rows if row["role"] == "closure")
    groups = {row["key"] for row in rows if row["is_group"]}

    assert closure["depends_on"] == [
        row["key"] for row in rows if row is not closure and row["parent"] not in groups
    ]


def test_every_link_has_an_address_and_no_text_a_gap() -> None:
    template = load_template_file()
    links = [link for phase in template.phases for link in phase.links]
    links += [link for task in template.tasks for link in task.links]

    assert [link.title for link in links if link.url is None] == []
    assert [task.key for task in template.tasks if literal_gap(task)] == []


def test_newest_template_has_no_vague_words() -> None:
    # Plans depend on the released versions: only the newest may still change.
    newest = max(
        TEMPLATES_DIR.glob("mimecast-*.yaml"), key=lambda path: load_template_file(path).version
    )

    found = re.findall(
        r"(?i)\b(?:whatever|whoever|nobody|somebody|by itself|anew)\b", newest.read_text()
    )

    assert found == []
