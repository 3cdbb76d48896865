from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from checks.lab.zone_records import LabError, Mode, ZoneRecord
from checks.lab.zones import Lab, ownership_codes, starting_state


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "lab")


def records(lab: Lab, zone: str, rtype: str) -> list[ZoneRecord]:
    return [record for record in lab.load().zones[zone].records if record.rtype == rtype]


def test_publish_sets_one_ttl_for_the_set(lab: Lab) -> None:
    lab.publish("contoso.test", "MX", "30 mail3.contoso.test.", ttl=120)

    assert records(lab, "contoso.test", "MX") == [
        ZoneRecord("@", "MX", 120, "10 mail.contoso.test"),
        ZoneRecord("@", "MX", 120, "20 mail2.contoso.test"),
        ZoneRecord("@", "MX", 120, "30 mail3.contoso.test"),
    ]


def test_publish_instead_replaces_the_set(lab: Lab) -> None:
    lab.publish("contoso.test", "mx", "us-smtp-inbound-1.mimecast.test", instead=True)

    assert records(lab, "contoso.test", "MX") == [
        ZoneRecord("@", "MX", 3600, "10 us-smtp-inbound-1.mimecast.test")
    ]


def test_publish_instead_retains_other_texts(lab: Lab) -> None:
    before = records(lab, "northwind.test", "TXT")[0]

    lab.publish("northwind.test", "TXT", "v=spf1 -all", instead=True)

    apex = [r for r in records(lab, "northwind.test", "TXT") if r.label == "@"]
    assert apex == [before, ZoneRecord("@", "TXT", 300, "v=spf1 -all")]


def test_publish_below_a_zone(lab: Lab) -> None:
    lab.publish("mail9.contoso.test", "A", "192.0.2.1")

    assert lab.load().zones["contoso.test"].records[-1] == ZoneRecord("mail9", "A", 60, "192.0.2.1")


def test_publish_new_domain_creates_zone(lab: Lab) -> None:
    lab.publish("Wingtip.Test.", "TXT", "hello")

    assert lab.load().zones["wingtip.test"].records == (ZoneRecord("@", "TXT", 60, "hello"),)


@pytest.mark.parametrize(
    ("domain", "rtype", "value", "sentence"),
    [
        ("example.com", "A", "192.0.2.1", "serves names under .test only"),
        ("test", "A", "192.0.2.1", "serves names under .test only"),
        ("two words.test", "A", "192.0.2.1", "is not a domain name"),
        ("contoso.test", "A", "300.0.0.1", "is not the value of a record of type A"),
        ("contoso.test", "MX", "ten mail", "is not the value of a record of type MX"),
        ("contoso.test", "SRV", "x", "The lab serves A, AAAA, CNAME, MX, TXT records"),
        ("contoso.test", "CNAME", "other.test", "which DNS forbids"),
    ],
)
def test_publish_invalid_record(
    lab: Lab, domain: str, rtype: str, value: str, sentence: str
) -> None:
    with pytest.raises(LabError, match=sentence):
        lab.publish(domain, rtype, value)

    assert lab.load() == starting_state()


def test_withdraw_value_or_set(lab: Lab) -> None:
    one = lab.withdraw("contoso.test", "MX", "20 mail2.contoso.test")
    rest = lab.withdraw("contoso.test", "MX")

    assert [record.value for record in (*one, *rest)] == [
        "20 mail2.contoso.test",
        "10 mail.contoso.test",
    ]
    assert records(lab, "contoso.test", "MX") == []


def test_withdraw_missing_record(lab: Lab) -> None:
    with pytest.raises(LabError, match="has no such AAAA record"):
        lab.withdraw("contoso.test", "AAAA")


def test_lagging_server_serves_old_records(lab: Lab) -> None:
    lab.lag(3)
    lab.publish("contoso.test", "MX", "us-smtp-inbound-1.mimecast.test", instead=True)
    state = lab.load()

    assert state.zones_at(3) == starting_state().zones
    assert state.zones_at(1) == state.zones

    lab.catch_up(3)

    assert lab.load().zones_at(3) == state.zones


def test_restore_retains_records(lab: Lab) -> None:
    lab.publish("contoso.test", "TXT", "kept")
    zones = lab.load().zones
    lab.behave(1, Mode.SILENT)
    lab.lag(2)
    lab.close("smtp")

    lab.restore()

    state = lab.load()
    assert (state.zones, state.mode_of(1), state.zones_at(2), state.closed) == (
        zones,
        Mode.ANSWER,
        zones,
        frozenset(),
    )


def test_reset_restores_initial_records(lab: Lab) -> None:
    lab.publish("contoso.test", "TXT", "gone")

    lab.reset()

    assert lab.load() == starting_state()


@pytest.mark.parametrize("server", [0, 4])
def test_unknown_server_is_refused(lab: Lab, server: int) -> None:
    with pytest.raises(LabError, match="name servers 1, 2 and 3"):
        lab.lag(server)


def test_unreadable_state_names_reset(lab: Lab) -> None:
    lab.reset()
    lab.file.write_text("{")

    with pytest.raises(LabError, match="`lab reset` creates it again"):
        lab.load()


# The zones without a sample tenant.
STAND_INS = {"lab.test", "mimecast.test", "outside.test", "outlook.test", "google.test"}


def test_sample_ownership_codes() -> None:
    shape = r"0ed1fe018a[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}"
    samples = set(starting_state().zones) - STAND_INS

    codes = ownership_codes()

    assert set(codes) == samples
    assert [code for code in codes.values() if not re.fullmatch(shape, code)] == []


def test_unknown_domain_has_no_route(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"The lab has no zone 'unknown\.test'"):
        lab.route_outbound("unknown.test")


def test_state_without_routes_is_read(lab: Lab) -> None:
    """A lab of version 0.1.0."""
    lab.route_outbound("tailspin.test")
    state = json.loads(lab.file.read_text())
    del state["outbound"]
    lab.file.write_text(json.dumps(state))

    assert lab.load().outbound == frozenset()
