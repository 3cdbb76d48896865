"""The lab's signed messages pass the checks that a message from Mimecast passes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.engine.expected_values import DkimSelector, RegionFacts
from checks.engine.mail import message
from checks.engine.mail.message import MessageInput
from checks.engine.outcomes import Outcome
from checks.lab.signed_messages import (
    LABEL,
    SELECTOR,
    arriving_message,
    publish_key,
    publishes_key,
)
from checks.lab.zone_records import LabError
from checks.lab.zones import Lab
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes


def zones_as_text(lab: Lab) -> str:
    """The lab's zones as the text of a test lookup."""
    return "\n".join(
        f"{'' if r.label == '@' else r.label + '.'}{name} {r.rtype} "
        + (f'"{r.value}"' if r.rtype == "TXT" else r.value)
        for name, zone in lab.load().zones.items()
        for r in zone.records
    )


def judged(lab: Lab, content: bytes, at: datetime) -> Outcome:
    region = RegionFacts(id="us", spf_include="us._netblocks.mimecast.test")
    chosen = [DkimSelector(SELECTOR)]
    return asyncio.run(
        message.inspect(
            "tailspin.test",
            chosen,
            region,
            MessageInput(content, at),
            ZoneLookup(zones_as_text(lab)),
        )
    )


def test_message_passes_after_key_publication(tmp_path: Path) -> None:
    lab, at = Lab(tmp_path), datetime.now(UTC)
    lab.route_outbound("tailspin.test")
    content = arriving_message(lab, "tailspin.test", "us", at=at)
    assert codes(judged(lab, content, at)) == ["message.key-missing"]

    publish_key(lab, "tailspin.test")

    assert codes(judged(lab, content, at)) == ["message.signed", "message.through-region"]
    assert publishes_key(lab.load().zones, "tailspin.test")
    assert not publishes_key(lab.load().zones, "contoso.test")


def test_only_mail_through_the_stand_in_is_signed(tmp_path: Path) -> None:
    lab, at = Lab(tmp_path), datetime.now(UTC)
    publish_key(lab, "tailspin.test")

    def found(**options: bool) -> str:
        content = arriving_message(lab, "tailspin.test", "us", at=at, **options)
        return codes(judged(lab, content, at))[0]

    assert found() == "message.unsigned"
    assert found(is_pilot=True) == "message.signed"
    lab.route_outbound("tailspin.test")
    assert found() == "message.signed"
    lab.restore()
    assert found() == "message.signed"
    lab.route_directly("tailspin.test")
    assert found() == "message.unsigned"


def test_publish_key_is_idempotent(tmp_path: Path) -> None:
    lab = Lab(tmp_path)

    publish_key(lab, "tailspin.test")
    publish_key(lab, "tailspin.test")

    found = [r for r in lab.load().zones["tailspin.test"].records if r.label == LABEL]
    assert len(found) == 1


def test_key_file_is_private(tmp_path: Path) -> None:
    publish_key(Lab(tmp_path), "tailspin.test")

    assert (tmp_path / "dkim.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("domain", "region"), [("nobody.test", "us"), ("tailspin.test", "moon")])
def test_unknown_domain_is_refused(tmp_path: Path, domain: str, region: str) -> None:
    with pytest.raises(LabError):
        arriving_message(Lab(tmp_path), domain, region, at=datetime.now(UTC))
