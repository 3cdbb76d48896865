"""Name suffixes of known mail platforms, gateways, senders and DNS hosts.

They are good enough for a suggestion that a person confirms, never for a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

PLATFORMS: Mapping[str, str] = MappingProxyType(
    {
        "mail.protection.outlook.com": "microsoft_365",
        "mx.microsoft": "microsoft_365",
        "aspmx.l.google.com": "google_workspace",
        "smtp.google.com": "google_workspace",
        "googlemail.com": "google_workspace",
    }
)
# A gateway hides the mail platform from MX, so discovery reads the platform from SPF.
GATEWAYS: Mapping[str, str] = MappingProxyType(
    {
        "mimecast.com": "Mimecast",
        "mimecast.co.za": "Mimecast",
        "mimecast-offshore.com": "Mimecast",
        "mimecast-pscom-us.com": "Mimecast",
        "pphosted.com": "Proofpoint",
        "ppe-hosted.com": "Proofpoint Essentials",
        "barracudanetworks.com": "Barracuda",
        "messagelabs.com": "Symantec Email Security.cloud",
        "iphmx.com": "Cisco Secure Email",
        "mailcontrol.com": "Forcepoint",
        "tmes.trendmicro.com": "Trend Micro",
        "hornetsecurity.com": "Hornetsecurity",
        "antispameurope.com": "Hornetsecurity",
        "sophos.com": "Sophos",
    }
)
SENDERS: Mapping[str, str] = MappingProxyType(
    {
        "spf.protection.outlook.com": "Microsoft 365",
        "_spf.google.com": "Google Workspace",
        "mimecast.com": "Mimecast",
        "mimecast-pscom-us.com": "Mimecast",
        "sendgrid.net": "SendGrid",
        "_spf.salesforce.com": "Salesforce",
        "servers.mcsv.net": "Mailchimp",
        "spf.mandrillapp.com": "Mailchimp Transactional",
        "mail.zendesk.com": "Zendesk",
        "amazonses.com": "Amazon SES",
        "mailgun.org": "Mailgun",
        "mktomail.com": "Marketo",
        "hubspotemail.net": "HubSpot",
        "spf.mtasv.net": "Postmark",
        "spf.brevo.com": "Brevo",
        "spf.sendinblue.com": "Brevo",
        "zoho.com": "Zoho",
        "zoho.eu": "Zoho",
        "freshemail.io": "Freshworks",
        "email.freshdesk.com": "Freshdesk",
        "_spf.atlassian.net": "Atlassian",
        "pphosted.com": "Proofpoint",
        "docusign.net": "DocuSign",
        "spf.mailjet.com": "Mailjet",
        "createsend.com": "Campaign Monitor",
        "_d.mim.ec": "Mimecast SPF Delegation",
    }
)
DNS_HOSTS: Mapping[str, str] = MappingProxyType(
    {
        "cloudflare.com": "Cloudflare",
        "domaincontrol.com": "GoDaddy",
        "googledomains.com": "Google Cloud DNS",
        "registrar-servers.com": "Namecheap",
        "ovh.net": "OVHcloud",
        "anycast.me": "OVHcloud",
        "gandi.net": "Gandi",
        "dnsimple.com": "DNSimple",
        "nsone.net": "NS1",
        "akam.net": "Akamai",
        "digitalocean.com": "DigitalOcean",
        "hetzner.com": "Hetzner",
        "hetzner.de": "Hetzner",
        "worldnic.com": "Network Solutions",
        "name.com": "Name.com",
        "123-reg.co.uk": "123 Reg",
    }
)
_DNS_PATTERNS = (
    (re.compile(r"\.awsdns-[0-9]+\.(com|net|org|co\.uk)$"), "Amazon Route 53"),
    (re.compile(r"\.azure-dns\.(com|net|org|info)$"), "Azure DNS"),
    (re.compile(r"\.ultradns\.(com|net|org|info|biz|co\.uk)$"), "UltraDNS"),
    (re.compile(r"\.ui-dns\.(com|de|org|biz)$"), "IONOS"),
)
# The selectors that common services prescribe. A Mimecast selector is the administrator's choice.
COMMON_SELECTORS = (
    *("selector1", "selector2", "google", "default", "dkim", "mail"),
    *("s1", "s2", "k1", "k2", "k3", "mandrill", "zendesk1", "zendesk2"),
)


def match_suffix(name: str, table: Mapping[str, str]) -> str:
    """Return the entry of the longest suffix that matches by whole labels, or ""."""
    # By whole labels: "notmimecast.com" must not match "mimecast.com".
    labels = name.lower().removesuffix(".").split(".")
    suffixes = (".".join(labels[start:]) for start in range(len(labels)))
    return next((table[suffix] for suffix in suffixes if suffix in table), "")


def dns_provider(server: str) -> str:
    """Return the DNS host to which the name server belongs, or ""."""
    server = server.lower().removesuffix(".")
    by_pattern = (name for pattern, name in _DNS_PATTERNS if pattern.search(server))
    return match_suffix(server, DNS_HOSTS) or next(by_pattern, "")
