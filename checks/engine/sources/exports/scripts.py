"""Write the PowerShell script that prints the listed properties of read-only cmdlets as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checks.engine.sources.exports.commands import listed, quoted
from checks.engine.sources.facts import Listed, PropertyType

# Every list is an array of texts, also with one item or none: ConvertTo-Json would otherwise print
# one item without its list, and join lists below its depth limit.
_LISTS = (PropertyType.TEXTS, PropertyType.COUNT)
_FUNCTION = """\
function Select-Listed($Rows, [string[]]$Properties, [string[]]$Lists) {
    foreach ($row in $Rows) {
        $kept = [ordered]@{}
        foreach ($name in $Properties) {
            $property = $row.PSObject.Properties[$name]
            if ($null -eq $property) { continue }
            $value = $property.Value
            if ($Lists -contains $name) {
                $items = @($value) -ne $null
                $kept[$name] = [string[]]@($items | ForEach-Object { "$_" })
            }
            elseif ($value -is [bool]) { $kept[$name] = $value }
            elseif ($null -eq $value) { $kept[$name] = $null }
            else { $kept[$name] = "$value" }
        }
        [pscustomobject]$kept
    }
}
"""
# An error that does not end the cmdlet would leave a list that looks empty.
_TABLE = """\
try {{
    $failed = @()
    $rows = @(. {{ {command} }})
    if ($failed.Count) {{ throw $failed[0] }}
    $evidence[{table}] = @(Select-Listed $rows @({properties}) @({lists}))
}}
catch {{ $errors[{table}] = "$($_.Exception.GetType().Name)" }}
"""
_END = """\
$evidence['Errors'] = $errors
$path = Join-Path (Get-Location) 'Gangway-Evidence.json'
[IO.File]::WriteAllText($path, ($evidence | ConvertTo-Json -Depth 6))
Write-Host "Upload this file to Gangway: $path"
if ($errors.Count) { Write-Warning "No permission or no such cmdlet: $($errors.Keys -join ', ')" }
"""


def write_script(
    head: str, commands: Mapping[str, Sequence[str]], tables: Listed, *, organisation: str
) -> str:
    """The whole script. `commands` are the cmdlets of each table."""
    parts = [
        head,
        "$ErrorActionPreference = 'Stop'\n",
        "$ProgressPreference = 'SilentlyContinue'\n",
        _FUNCTION,
        f"$evidence = [ordered]@{{ Gangway = 1; Organisation = {quoted(organisation)} }}\n",
        "$evidence['GeneratedAt'] = [DateTime]::UtcNow.ToString('yyyy-MM-ddTHH:mm:ssZ')\n",
        "$errors = [ordered]@{}\n",
        *(_table(table, commands[table], tables) for table in commands),
        _END,
    ]
    return "".join(parts).replace("\n", "\r\n")


def _table(table: str, commands: Sequence[str], tables: Listed) -> str:
    properties = tables[table]
    lists = [name for name, kind in properties.items() if kind in _LISTS]
    return _TABLE.format(
        table=quoted(table),
        command="; ".join(
            f"{command} -ErrorAction Stop -ErrorVariable +failed" for command in commands
        ),
        properties=listed(properties),
        lists=listed(lists),
    )
