"""Fetch the published test suites: `python -m tests.suites`.

pip downloads the source distributions pinned in requirements-suites.txt and refuses one whose hash
differs; only the test data is unpacked. Where the suites already are, nothing is done.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = ROOT / ".venv" / "suites"
RFC7208 = SUITES / "rfc7208-tests.yml"


def fetch() -> Path:
    """The RFC 7208 suite's file, downloaded if it is not there yet."""
    if not RFC7208.exists():
        SUITES.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            _download(folder)
            (archive,) = Path(folder).glob("pyspf-*.tar.gz")
            _unpack(archive)
    return RFC7208


def _download(folder: str) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-binary", ":all:", "--require-hashes"),
            *("--dest", folder, "--requirement", str(ROOT / "requirements-suites.txt")),
        ],
        check=True,
    )


def _unpack(archive: Path) -> None:
    """Take one file by name: nothing of the archive decides where anything is written."""
    with tarfile.open(archive) as contents:
        for member in contents:
            if Path(member.name).name == RFC7208.name:
                source = contents.extractfile(member)
                assert source is not None
                RFC7208.write_bytes(source.read())


if __name__ == "__main__":
    sys.stdout.write(f"{fetch()}\n")
