"""The lab's received messages have the routes that the check of received messages expects."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from checks.engine.expected_values import MailPlatform, ReceivingSystem, RegionFacts
from checks.engine.mail import delivery_message
from checks.engine.mail.delivery_message import ReceivedInput
from checks.engine.outcomes import Outcome
from checks.lab.received_messages import received_message
from checks.lab.zone_records import LabError
from checks.lab.zones import Lab
from tests.checks.engine.dns.zone_lookup import ZoneLookup
from tests.checks.engine.outcomes import codes
from tests.checks.lab.test_signed_messages import zones_as_text

REGION = RegionFacts(
    id="us",
    mx=("us-smtp-inbound-1.mimecast.test",),
    spf_include="us._netblocks.mimecast.test",
)
PLATFORMS = [
    MailPlatform.ON_PREMISES,
    MailPlatform.MICROSOFT_365,
    MailPlatform.GOOGLE_WORKSPACE,
]


def judged(lab: Lab, domain: str, platform: MailPlatform, *, is_test: bool = False) -> Outcome:
    at = datetime.now(UTC)
    host = f"mail.{domain}"
    content = received_message(
        lab, domain, "us", platform=platform.value, delivery_host=host, at=at, is_test=is_test
    )
    system = ReceivingSystem(platform, (host,))
    lookup = ZoneLookup(zones_as_text(lab))
    shown = ReceivedInput(content, at)
    return asyncio.run(delivery_message.inspect(domain, REGION, system, shown, lookup))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_message_before_the_switch_comes_directly(tmp_path: Path, platform: MailPlatform) -> None:
    outcome = judged(Lab(tmp_path), "northwind.test", platform)

    assert codes(outcome) == ["delivery-message.direct"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_message_after_the_switch_passes_mimecast(tmp_path: Path, platform: MailPlatform) -> None:
    outcome = judged(Lab(tmp_path), "nwt-test.test", platform)

    assert codes(outcome) == ["delivery-message.through-region"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_delivery_test_passes_mimecast(tmp_path: Path, platform: MailPlatform) -> None:
    outcome = judged(Lab(tmp_path), "northwind.test", platform, is_test=True)

    assert codes(outcome) == ["delivery-message.through-region"]


def test_leftover_mx_host_is_no_switch(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.publish("nwt-test.test", "MX", "20 mail.northwind.test")

    outcome = judged(lab, "nwt-test.test", MailPlatform.ON_PREMISES)

    assert codes(outcome) == ["delivery-message.direct"]


def test_unknown_domain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"no zone 'elsewhere\.test'"):
        judged(Lab(tmp_path), "elsewhere.test", MailPlatform.ON_PREMISES)
