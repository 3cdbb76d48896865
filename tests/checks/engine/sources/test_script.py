"""The script for the client: read-only cmdlets, every listed property, no secret."""

from __future__ import annotations

import re

from checks.engine.sources.exchange_online.source import SOURCE
from checks.engine.sources.exchange_online.tables import LISTED
from checks.engine.sources.exports.commands import quoted

SCRIPT = SOURCE.script("contoso.test")
# The cmdlets of PowerShell itself that the script uses.
OWN = {
    "Import-Module",
    "Connect-ExchangeOnline",
    "Get-Command",
    "Get-Location",
    "Join-Path",
    "ConvertTo-Json",
    "ForEach-Object",
    "Write-Host",
    "Write-Warning",
    "Select-Listed",
}


def test_script_only_reads() -> None:
    cmdlets = set(re.findall(r"\b[A-Z][a-z]+-[A-Z]\w+", SCRIPT)) - {"Gangway-Evidence", "View-Only"}

    assert cmdlets - OWN == set(LISTED)


def test_script_names_every_property() -> None:
    for table, properties in LISTED.items():
        line = next(
            row for row in SCRIPT.splitlines() if row.strip().startswith(f"$evidence['{table}']")
        )
        assert [name for name in properties if f"'{name}'" not in line] == []


def test_script_stops_at_the_first_error_of_a_cmdlet() -> None:
    commands = re.findall(r"\. \{ (.*) \}\)", SCRIPT)

    assert len(commands) == len(LISTED)
    for command in commands:
        for part in command.split("; "):
            assert part.endswith(" -ErrorAction Stop -ErrorVariable +failed")


def test_script_is_for_one_organisation() -> None:
    assert "# Gangway-Evidence.ps1 for contoso.test. It reads" in SCRIPT
    assert "Organisation = 'contoso.test'" in SCRIPT
    assert SCRIPT.isascii()
    assert SCRIPT.count("\n") == SCRIPT.count("\r\n")


def test_braces_of_the_script_are_balanced() -> None:
    for opening, closing in ("{}", "()", "[]"):
        assert SCRIPT.count(opening) == SCRIPT.count(closing)


def test_quoted_text_cannot_end_the_literal() -> None:
    assert quoted("a'b’c\n‚d‛") == "'a''b’’c‚‚d‛‛'"
