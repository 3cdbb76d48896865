"""The lab's stand-in for Mimecast as a signer: its key, and messages as a recipient sees them."""

from __future__ import annotations

import email.utils
import os
import re
from base64 import b64encode
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from checks.lab.zone_records import LabError, ZoneRecord, Zones
from checks.lab.zones import Lab

SELECTOR = "mimecast-lab"
LABEL = f"{SELECTOR}._domainkey"
SIGNING_DOMAIN = "mimecast.test"
# The address of each domain's own mail server, from a documentation network (RFC 5737).
_OWN_SERVER = "198.51.100.10"
_SIGNED = [b"from", b"to", b"date", b"subject", b"message-id"]


def publish_key(lab: Lab, domain: str) -> ZoneRecord:
    """Publish the key of the stand-in, the first task of a new signer."""
    public = _private_key(lab.folder).public_key()
    der = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    value = f"v=DKIM1; k=rsa; p={b64encode(der).decode()}"
    return lab.publish(domain, "TXT", value, label=LABEL, instead=True)


def publishes_key(zones: Zones, domain: str) -> bool:
    return domain in zones and any(record.label == LABEL for record in zones[domain].records)


def arriving_message(
    lab: Lab, domain: str, region: str, *, at: datetime, is_pilot: bool = False
) -> bytes:
    """A message from the domain as an external recipient would receive it now.

    The stand-in signs only mail that leaves through it: all mail of a domain with that route, or a
    pilot message over a connector that is scoped to one mailbox. Raises LabError if the lab has
    no zone of the domain, or no ranges of the region.
    """
    state = lab.load()
    if domain not in state.zones:
        raise LabError(f"The lab has no zone '{domain}'.")
    date = email.utils.format_datetime(at)
    is_routed = is_pilot or domain in state.outbound
    region_address = sending_address(state.zones, region)
    address = region_address if is_routed else _OWN_SERVER
    host = f"{region}-smtp-delivery-1.{SIGNING_DOMAIN}" if is_routed else f"mail.{domain}"
    head = (
        f"Return-Path: <ann@{domain}>\r\n"
        f"Received: from {host} ({host} [{address}])\r\n"
        f" by mx.outside.test with ESMTPS; {date}\r\n"
        f"From: Ann <ann@{domain}>\r\n"
        "To: somebody@outside.test\r\n"
        f"Date: {date}\r\n"
        "Subject: Test of the outbound cutover\r\n"
        f"Message-ID: <{at.timestamp():.6f}@{domain}>\r\n"
    )
    path = "went through the lab's stand-in for Mimecast" if is_routed else "was sent directly"
    message = f"{head}\r\nThis message {path}.\r\n".encode()
    if not is_routed:
        return message
    signature: bytes = dkim.sign(
        message,
        SELECTOR.encode(),
        domain.encode(),
        _pem(_private_key(lab.folder)),
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=_SIGNED,
    )
    return signature + message


def sending_address(zones: Zones, region: str) -> str:
    """A sending address of the stand-in's region, from its SPF record. LabError if it has none."""
    records = zones[SIGNING_DOMAIN].records if SIGNING_DOMAIN in zones else ()
    label = f"{region}._netblocks"
    text = next((r.value for r in records if r.label == label), "")
    networks = re.findall(r"ip4:(\S+)", text)
    if not networks:
        raise LabError(f"The lab's stand-in has no ranges for the region '{region}'.")
    return str(ip_network(networks[0])[-2])


def _private_key(folder: Path) -> rsa.RSAPrivateKey:
    """The private key of this lab, created at first use and readable by its owner only."""
    file = folder / "dkim.pem"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(_pem(rsa.generate_private_key(65537, 2048)))
        unfinished.replace(file)
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise LabError(
            f"{file} contains no RSA key. Delete the file; the lab then creates a new key."
        )
    return key


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
