"""Sign a zone with the tools of BIND."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.interop.name_servers import COMPLETE, zone_head
from tests.interop.processes import program


@dataclass(frozen=True)
class SignedZone:
    """The text of the zone, and the DS record that its parent needs."""

    text: str
    ds: str


def sign_zone(
    folder: Path,
    name: str,
    records: str,
    *,
    days: tuple[int, int] = (-1, 30),
    hashed_denial: bool = False,
    opt_out: bool = False,
    algorithm: str = "ECDSAP256SHA256",
    has_zone_key: bool = False,
) -> SignedZone:
    """Sign the zone with a new key. `days` are the limits of the signatures from today.

    Absent records are denied by NSEC3 records if `hashed_denial`, else by NSEC records. With
    `opt_out`, the NSEC3 records leave out unsigned delegations (RFC 5155 section 6). With
    `has_zone_key`, a second key signs all records except the keys.
    """
    keygen = program("dnssec-keygen", "bind9-dnsutils")
    signer = program("dnssec-signzone", "bind9-utils")
    folder.mkdir()
    generate = [keygen, "-q", "-K", str(folder), "-a", algorithm]
    generate += ["-b", "2048"] if "RSA" in algorithm else []
    # One key signs everything (a combined signing key), or only the keys.
    kinds = [["-f", "KSK"], *([[]] if has_zone_key else [])]
    keys = [
        subprocess.run(
            [*generate, *kind, name], check=True, capture_output=True, text=True
        ).stdout.strip()
        for kind in kinds
    ]
    records += "".join((folder / f"{key}.key").read_text() for key in keys)
    zone = folder / "zone"
    zone.write_text(f"$ORIGIN {name}.\n{zone_head()}{records}\n")
    start, end = (f"{datetime.now(UTC) + timedelta(days=day):%Y%m%d%H%M%S}" for day in days)
    # -P: expired signatures are intended. -z: the key signs the whole zone.
    sign = [signer, "-P", "-K", str(folder), "-d", str(folder), "-o", name]
    sign += [] if has_zone_key else ["-z"]
    sign += ["-3", "abcd", "-H", "0"] if hashed_denial or opt_out else []
    sign += ["-A"] if opt_out else []
    sign += ["-s", start, "-e", end, "-f", str(folder / "signed"), str(zone)]
    subprocess.run(sign, check=True, capture_output=True, cwd=folder)
    (ds,) = (folder / f"dsset-{name}.").read_text().splitlines()
    return SignedZone(COMPLETE + (folder / "signed").read_text(), " ".join(ds.split()))
