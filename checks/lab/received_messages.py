"""Messages from outside, as the mailboxes of the lab's tenants receive them."""

from __future__ import annotations

import email.utils
from datetime import datetime

from checks.lab.signed_messages import SIGNING_DOMAIN, sending_address
from checks.lab.zone_records import APEX, LabError, Zones
from checks.lab.zones import Lab

# The sender outside, from a documentation network (RFC 5737). The zone publishes its SPF record.
SENDER_DOMAIN = "outside.test"
_SENDER_ADDRESS = "198.51.100.77"
_MICROSOFT_ENTRY = "DB1PEPF00000001.mail.protection.outlook.com"


def received_message(
    lab: Lab,
    domain: str,
    region: str,
    *,
    platform: str,
    delivery_host: str,
    at: datetime,
    is_test: bool = False,
) -> bytes:
    """A message from outside to the domain, as its mailbox shows it now.

    Mail arrives through the stand-in for Mimecast if every MX host of the domain is one of its
    hosts. A delivery test goes directly to the stand-in; MX has no effect on it. `platform` is that
    of the mailboxes: microsoft_365, google_workspace, or a server with the name `delivery_host`.
    Raises LabError if the lab has no zone of the domain, or no ranges of the region.
    """
    zones = lab.load().zones
    if domain not in zones:
        raise LabError(f"The lab has no zone '{domain}'.")
    date = email.utils.format_datetime(at)
    sender = f"mail.{SENDER_DOMAIN}"
    host, address = sender, _SENDER_ADDRESS
    below = ""
    if is_test or _is_switched(zones, domain):
        host = f"{region}-smtp-delivery-1.{SIGNING_DOMAIN}"
        address = sending_address(zones, region)
        below = (
            f"Received: from {sender} ({sender} [{_SENDER_ADDRESS}])"
            f" by relay.{SIGNING_DOMAIN} with ESMTP; {date}\r\n"
        )
    return (
        f"Delivered-To: ann@{domain}\r\n"
        f"Return-Path: <bob@{SENDER_DOMAIN}>\r\n"
        f"{_lines(platform, delivery_host or f'mail.{domain}', host, address, date)}"
        f"{below}"
        f"From: Bob <bob@{SENDER_DOMAIN}>\r\n"
        f"To: Ann <ann@{domain}>\r\n"
        f"Date: {date}\r\n"
        "Subject: Test of inbound delivery\r\n"
        f"Message-ID: <{at.timestamp():.6f}@{SENDER_DOMAIN}>\r\n"
        "\r\n"
        "This message came from outside.\r\n"
    ).encode()


def _is_switched(zones: Zones, domain: str) -> bool:
    records = zones[domain].records
    hosts = [r.value.partition(" ")[2] for r in records if r.rtype == "MX" and r.label == APEX]
    return bool(hosts) and all(host.endswith(f".{SIGNING_DOMAIN}") for host in hosts)


def _lines(platform: str, delivery_host: str, host: str, address: str, date: str) -> str:
    """The Received lines of the client's system, the newest first."""
    match platform:
        case "microsoft_365":
            return (
                "Received: from DB1PEPF00000001.eurprd02.prod.outlook.com (2603:10a6:10:1::1)"
                f" by DB9PR02MB0001.eurprd02.prod.outlook.com with HTTPS; {date}\r\n"
                f"Received: from {host} ({address}) by {_MICROSOFT_ENTRY} (10.167.8.1)"
                f" with Microsoft SMTP Server id 15.20 via Frontend Transport; {date}\r\n"
            )
        case "google_workspace":
            return (
                f"Received: by 2002:a05:6f02:1:b0:1:2:3 with SMTP id a1; {date}\r\n"
                f"Received: from {host} ({host}. [{address}])"
                f" by mx.google.com with ESMTPS id b2; {date}\r\n"
            )
    return (
        f"Received: from {host} ({host} [{address}]) by {delivery_host} (Postfix)"
        f" with ESMTPS id c3; {date}\r\n"
    )
