"""Region facts: known values, gaps, and the overrides of consultants."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from checks.region_facts import region_facts
from tenants.errors import TenantError
from tenants.region_values import LABELS
from tenants.regions import (
    ENTERED,
    REGIONS_FILE,
    gap_sentences,
    load_region_file,
    load_regions,
    region_for_account_code,
)
from tenants.yaml_schema import YamlSchemaError


@pytest.mark.parametrize(
    ("region", "mx", "include"),
    [
        ("us", "us-smtp-inbound-{}.mimecast.com", "us._netblocks.mimecast.com"),
        ("usb", "usb-smtp-inbound-{}.mimecast.com", "usb._netblocks.mimecast.com"),
        ("eu", "eu-smtp-inbound-{}.mimecast.com", "eu._netblocks.mimecast.com"),
        ("de", "de-smtp-inbound-{}.mimecast.com", "de._netblocks.mimecast.com"),
        ("za", "za-smtp-inbound-{}.mimecast.co.za", "za._netblocks.mimecast.com"),
        ("au", "au-smtp-inbound-{}.mimecast.com", "au._netblocks.mimecast.com"),
        ("ca", None, "ca._netblocks.mimecast.com"),
        ("je", "je-smtp-inbound-{}.mimecast-offshore.com", ""),
        ("uspcom", None, "uspcom._netblocks.mimecast-pscom-us.com"),
    ],
)
def test_region_has_hosts_and_include(region: str, mx: str | None, include: str) -> None:
    found = load_regions()[region]

    assert found.mx == ((mx.format(1), mx.format(2)) if mx else ())
    assert found.spf_include == include


def test_regions_and_their_order() -> None:
    assert list(load_regions()) == ["us", "usb", "eu", "de", "za", "au", "ca", "je", "uspcom"]


def test_data_is_dated() -> None:
    assert load_region_file().compiled == datetime.date(2026, 11, 23)


def test_fact_has_confidence_and_source() -> None:
    fact = load_regions()["us"].facts["spf_ip4"]

    assert (fact.confidence, fact.source, fact.as_of) == (
        "medium",
        "A published expansion of the global SPF name, 2025",
        "2025",
    )


def test_every_value_has_date_source_confidence() -> None:
    incomplete = [
        (region.id, name)
        for region in load_regions().values()
        for name in LABELS
        for fact in [region.facts[name]]
        if bool(getattr(region, name)) != all((fact.confidence, fact.source, fact.as_of))
    ]

    assert incomplete == []


@pytest.mark.parametrize(
    ("region", "name", "value", "confidence"),
    [
        ("usb", "delivery_ip4", "170.10.151.0/24", "low"),
        ("usb", "delivery_hosts", "usb-smtp-delivery-120.mimecast.com", "high"),
        ("de", "delivery_ip4", "194.104.109.119/32", "medium"),
        ("eu", "url_hosts", "url.uk.m.mimecastprotect.com", "high"),
        ("je", "url_hosts", "url.jer.m.mimecastprotect.com", "high"),
    ],
)
def test_value_has_confidence(region: str, name: str, value: str, confidence: str) -> None:
    found = load_regions()[region]

    assert value in getattr(found, name)
    assert found.facts[name].confidence == confidence


def test_low_confidence_proves_nothing() -> None:
    region = load_regions()["usb"]

    assert region.low_confidence == ("delivery_ip4",)
    assert region.proving("delivery_ip4") == ()
    assert region.proving("mx") == region.mx
    entered = region.with_overrides({"delivery_ip4": ["192.0.2.0/24"]})
    assert entered.proving("delivery_ip4") == ("192.0.2.0/24",)


@pytest.mark.parametrize(
    ("region", "name", "value", "confidence", "as_of"),
    [
        ("de", "delivery_ip4", "62.140.7.102/32", "low", "2021"),
        ("de", "delivery_ip4", "194.104.111.102/32", "low", "2021"),
        ("de", "delivery_ip4", "194.104.109.119/32", "medium", "2026-05"),
        ("de", "delivery_hosts", "de-smtp-delivery-102.mimecast.com", "low", "2021"),
        ("de", "delivery_hosts", "de-smtp-delivery-119.mimecast.com", "medium", "2026-05"),
        ("au", "delivery_ip4", "103.96.21.108/32", "low", "2021-12"),
        ("au", "delivery_ip4", "180.189.28.0/24", "low", "2018"),
        ("za", "delivery_hosts", "za-smtp-delivery-57.mimecast.co.za", "medium", "2022"),
    ],
)
def test_each_value_has_its_own_date(
    region: str, name: str, value: str, confidence: str, as_of: str
) -> None:
    found = load_regions()[region]
    fact = found.facts[name].of(value)

    assert (fact.confidence, fact.as_of) == (confidence, as_of)
    assert (value in found.proving(name)) is (confidence != "low")
    assert found.facts[name].of_all().as_of <= as_of


def test_checks_use_the_confidence_of_each_range() -> None:
    facts = region_facts(load_regions()["de"])

    assert facts.proving_delivery_networks == ("194.104.109.119/32",)
    assert facts.delivery_basis("62.140.7.102/32") == ("low", "2021")
    assert facts.delivery_basis("194.104.109.119/32") == ("medium", "2026-05")
    entered = load_regions()["de"].with_overrides({"delivery_ip4": ["62.140.7.102/32"]})
    assert region_facts(entered).proving_delivery_networks == ("62.140.7.102/32",)


def test_date_of_an_unknown_value_is_an_error(tmp_path: Path) -> None:
    text = REGIONS_FILE.read_text().replace(
        "        62.140.7.102/32: {", "        62.140.7.103/32: {"
    )
    file = tmp_path / "regions.yaml"
    file.write_text(text)

    with pytest.raises(YamlSchemaError, match=r"62\.140\.7\.103/32.* is no value of this list"):
        load_region_file(file)


def test_low_confidence_is_a_gap_for_checks() -> None:
    region = load_regions()["us"]
    weak = replace(region.facts["mx"], confidence="low")
    doubtful = replace(region, facts={**region.facts, "mx": weak, "spf_include": weak})

    facts = region_facts(doubtful)

    assert (facts.mx, facts.spf_include) == ((), "")
    assert region_facts(region).mx == region.mx


def test_global_include_lists_omitted_regions() -> None:
    everywhere = load_region_file().global_facts

    assert everywhere.spf_include == "_netblocks.mimecast.com"
    assert everywhere.spf_omits == ("usb", "uspcom")
    assert everywhere.ownership_cname_target == "validate-domain.mimecast.com"


@pytest.mark.parametrize(
    ("code", "region"),
    [
        ("CUSA13A123", "us"),
        (" cusb45a6 ", "usb"),
        ("CUK1A2", "eu"),
        ("CDE1A2", "de"),
        ("CSA1A2", "za"),
        ("CAU1A2", "au"),
        ("CCA1A2", "ca"),
    ],
)
def test_account_code_has_its_region(code: str, region: str) -> None:
    assert region_for_account_code(code).id == region


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("", "Enter the account code, such as CUSA13A123."),
        (
            "C46A75",
            "“C46A75” does not start with the prefix of a region "
            "(CUSA, CUSB, CUK, CDE, CSA, CAU, CCA); check the code, or leave it out and choose "
            "the region.",
        ),
        (
            "cusa",
            "“cusa” is only the prefix of United States (A). Enter the whole account code, such as"
            " CUSA13A123.",
        ),
        (
            "CUSA 13",
            "“CUSA 13” is not an account code: it starts with a letter and has only letters "
            "and digits, such as CUSA13A123.",
        ),
    ],
)
def test_unknown_account_code_is_refused(code: str, sentence: str) -> None:
    with pytest.raises(TenantError) as refusal:
        region_for_account_code(code)

    assert str(refusal.value) == sentence


def test_gap_sentences_start_with_mx_hosts() -> None:
    assert gap_sentences(load_regions()["ca"]) == (
        "Canada: MX hosts unknown, enter them.",
        "Canada: outbound smart hosts for Exchange Online unknown, enter them.",
        "Canada: journal hosts unknown, enter them.",
        "Canada: delivery ranges unknown, enter them.",
        "Canada: sign-in address unknown, enter it.",
    )


def test_override_fills_a_gap_as_entered() -> None:
    region = load_regions()["ca"].with_overrides(
        {
            "mx": ["MX1.Example.com.", "mx2.example.com"],
            "spf_include": "include:_spf.Example.com",
            "delivery_ip4": ("192.0.2.0/24",),
            "login_url": "",
        }
    )

    assert region.mx == ("mx1.example.com", "mx2.example.com")
    assert region.spf_include == "_spf.example.com"
    assert region.delivery_ip4 == ("192.0.2.0/24",)
    assert region.facts["mx"].confidence == ENTERED
    assert region.gaps == ("exchange_online_smarthosts", "journal_hosts", "login_url")
    assert load_regions()["ca"].mx == ()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("colour", "red", "A region has no “colour” to override."),
        (
            "mx",
            ["mail server.com"],
            "MX hosts: “mail server.com” contains a space, which a host name cannot. "
            "Did you mean mailserver.com?",
        ),
        ("mx", "mx.example.com", "MX hosts: “mx.example.com” must be a list."),
        ("mx", [25], "MX hosts: “25” must be text."),
        (
            "spf_include",
            "netblocks",
            "SPF include: “netblocks” is only one part of a host name; "
            "enter it in full, such as example.com.",
        ),
        (
            "spf_ip4",
            ["192.0.2.1/24"],
            "SPF ranges: “192.0.2.1/24” is not an IPv4 network, such as 192.0.2.0/24.",
        ),
        (
            "login_url",
            "http://login.example.com",
            "sign-in address: “http://login.example.com” is not an https address.",
        ),
        (
            "timezone",
            "Europe/Atlantis",
            "time zone: “Europe/Atlantis” is not a time zone, such as Europe/London.",
        ),
    ],
)
def test_bad_override_is_refused(field: str, value: object, sentence: str) -> None:
    with pytest.raises(TenantError) as refusal:
        load_regions()["us"].with_overrides({field: value})

    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("old", "new", "marker", "reason"),
    [
        ("schema: 1", "schema: 2", "schema: 2", "this version reads schema 1 only"),
        (
            "compiled: 2026-11-23",
            "compiled: lately",
            "compiled: lately",
            "“compiled” must be a date",
        ),
        (
            "value: CUSB",
            "value: CUSA",
            '"United States (B)"',
            "account code prefix CUSA also belongs to “us”",
        ),
        (
            "      value: CUK\n      confidence: high",
            "      value: CUK\n      confidence: hearsay",
            "hearsay",
            "“confidence” is “hearsay”, but must be one of high, low, medium",
        ),
        (
            "- 195.130.217.0/24",
            "- 195.130.217.0/99",
            "- 195.130.217.0/99",
            "SPF ranges: “195.130.217.0/99” is not an IPv4 network, such as 192.0.2.0/24.",
        ),
        ('name: "Canada"', 'nmae: "Canada"', "nmae:", "unknown key “nmae” in “ca”"),
        ("omits: [usb, uspcom]", "omits: [mars]", "omits:", "an item of “omits” is “mars”"),
        ("schema: 1", "schema: [1", "compiled:", "is not valid YAML: expected ',' or ']'"),
    ],
)
def test_malformed_data_is_refused(
    tmp_path: Path, old: str, new: str, marker: str, reason: str
) -> None:
    text = REGIONS_FILE.read_text(encoding="utf-8").replace(old, new, 1)
    path = tmp_path / "regions.yaml"
    path.write_text(text, encoding="utf-8")
    line = next(n for n, row in enumerate(text.splitlines(), start=1) if marker in row)

    with pytest.raises(YamlSchemaError) as refusal:
        load_region_file(path)

    assert str(refusal.value).startswith(f"{path}:{line}: {reason}")


@pytest.mark.parametrize(
    ("prepare", "problem"),
    [
        (lambda path: None, ":1: cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(b"a: 1\nb: \xff"), ":2: is not UTF-8 text"),
        (lambda path: path.write_bytes(b""), ":1: is empty"),
        (lambda path: path.write_bytes(b"- 1"), ":1: the file must be a mapping"),
    ],
)
def test_unreadable_file_is_refused(
    tmp_path: Path, prepare: Callable[[Path], object], problem: str
) -> None:
    path = tmp_path / "regions.yaml"
    prepare(path)

    with pytest.raises(YamlSchemaError) as refusal:
        load_region_file(path)

    assert str(refusal.value) == f"{path}{problem}"
