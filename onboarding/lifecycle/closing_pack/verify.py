#!/usr/bin/env python3
"""Verify a closing pack with Python's standard library alone: no network, nothing to install.

    python3 verify.py                      the folder of this script
    python3 verify.py pack.zip             the downloaded archive
    python3 verify.py pack.zip --seal HEX  the archive, which must have this seal

Exits with 0 if the pack is unchanged. Otherwise prints each fault and exits with 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import zipfile
from pathlib import Path

DIGESTS = "SHA256SUMS"
HASHED = ["number", "at", "actor", "action", "params", "address", "agent", "previous_hash"]


def read_folder(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def read_archive(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def faults_of_digests(files: dict[str, bytes]) -> list[str]:
    """Compare the files with the list: missing, altered, unlisted; or a malformed list."""
    listed: dict[str, str] = {}
    text = files.get(DIGESTS, b"").decode("utf-8", "replace")
    # Not splitlines(): the name of a file can contain another separator, such as U+2028.
    for line in text.removesuffix("\n").split("\n"):
        match = re.fullmatch(r"([0-9a-f]{64})  (\S.*)", line)
        if match is None:
            return [f"{DIGESTS}: a line cannot be read"]
        listed[match[2]] = match[1]
    faults = []
    if "".join(f"{listed[name]}  {name}\n" for name in sorted(listed)) != text or not listed:
        faults.append(f"{DIGESTS}: it is not written as it was made")
    for name, digest in listed.items():
        if name not in files:
            faults.append(f"{name}: missing")
        elif hashlib.sha256(files[name]).hexdigest() != digest:
            faults.append(f"{name}: altered")
    faults += [f"{name}: not listed" for name in files if name not in listed and name != DIGESTS]
    return faults


def faults_of_activity(log: dict) -> list[str]:  # type: ignore[type-arg]  # plain JSON
    """Check each line: numbers without a gap, its hash, and the link to the line before."""
    before = ""
    for number, line in enumerate(log["lines"], start=1):
        hashed = [log["scope"], *(line[name] for name in HASHED)]
        if line["version"] >= 2:
            hashed = [line["version"], line["tenant"], *hashed]
        made = hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
        if line["number"] != number:
            return [f"activity: line {number} is missing"]
        if line["previous_hash"] != before or line["hash"] != made:
            return [f"activity: line {number} was altered"]
        if line["tenant"] != log["scope"]:
            return [f"activity: line {number} belongs to another log"]
        before = made
    if len(log["lines"]) != log["length"] or before != log["head"]:
        return ["activity: lines are missing at its end"]
    return []


def faults_of_decisions(implementation: dict) -> list[str]:  # type: ignore[type-arg]  # plain JSON
    """Compare the snapshots and decisions of each cutover with their digests."""
    faults = []
    for cutover in implementation["cutovers"]:
        for kind in ("snapshots", "decisions"):
            for stored in cutover[kind]:
                text = json.dumps(
                    stored["content"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
                )
                if hashlib.sha256(text.encode()).hexdigest() != stored["digest"]:
                    faults.append(f"{cutover['direction']} cutover: one of its {kind} was altered")
    return faults


def faults_in(files: dict[str, bytes], seal: str = "") -> list[str]:
    faults = faults_of_digests(files)
    made = hashlib.sha256(files.get(DIGESTS, b"")).hexdigest()
    if seal and made != seal.lower():
        faults.append(f"the seal is {made}, not {seal}")
    if not faults:
        faults += faults_of_activity(json.loads(files["activity.json"]))
        faults += faults_of_decisions(json.loads(files["implementation.json"]))
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify a closing pack.")
    parser.add_argument("pack", nargs="?", default=str(Path(__file__).resolve().parent))
    parser.add_argument("--seal", default="", help="the seal that Gangway shows for this pack")
    options = parser.parse_args()
    try:
        pack = Path(options.pack)
        files = read_folder(pack) if pack.is_dir() else read_archive(pack)
        faults = faults_in(files, options.seal)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        files, faults = {}, [f"it cannot be read: {error}"]
    for fault in faults:
        sys.stdout.write(f"NOT AS IT WAS MADE: {fault}\n")
    if not faults:
        seal = hashlib.sha256(files[DIGESTS]).hexdigest()
        sys.stdout.write(f"Everything is as it was made: {len(files)} files, seal {seal}.\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
