"""Run Gangway in clean roots of Debian and Ubuntu: `python3 -m tests.fresh [RELEASE ...]`.

Each root has only the packages that README.md requires. In each, the program starts `make run`,
waits until a task of a sample tenant is verified in the lab, presses Ctrl-C, and runs `make test`.
`--short` is the form of CI: Debian 13, and only the tests that depend on the Python version.

It requires root, debootstrap and unshare. Mounts and processes end with the namespace that owns
them. The release is reported as unreachable if its archive does not answer.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.project_files import CHECKOUT, project_files

# README.md requires "Python 3.11 or later with venv, and make".
PACKAGES = ("python3", "python3-venv", "make")
SHORT_TESTS = (
    "tests/checks/engine/hosts tests/checks/engine/mail/test_mta_sts.py tests/test_house_rules.py"
)
FIRST_VERIFIED_SECONDS = 600
STOP_SECONDS = 60


class FreshError(Exception):
    """A step failed. The message is for the person at the terminal."""


@dataclass(frozen=True)
class Release:
    codename: str
    archive: str
    components: str = "main"
    # The script of debootstrap, where it does not know the release itself.
    script: str = ""


RELEASES = {
    "debian-12": Release("bookworm", "http://deb.debian.org/debian"),
    "debian-13": Release("trixie", "http://deb.debian.org/debian"),
    "ubuntu-24.04": Release("noble", "http://archive.ubuntu.com/ubuntu", "main,universe", "gutsy"),
}


def show(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def is_reachable(release: Release) -> bool:
    try:
        with urllib.request.urlopen(f"{release.archive}/dists/{release.codename}/Release"):
            return True
    except OSError:
        return False


@contextmanager
def clean_root(release: Release) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gangway-fresh-") as folder:
        root = Path(folder)
        command = [
            *("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
            *(f"--components={release.components}", release.codename, str(root), release.archive),
            *([f"/usr/share/debootstrap/scripts/{release.script}"] if release.script else []),
        ]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise FreshError(f"debootstrap failed: {made.stdout[-500:]}{made.stderr[-500:]}")
        for file in project_files():
            (root / "gangway" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / file, root / "gangway" / file)
        yield root


def pip_configuration() -> tuple[dict[str, str], set[Path]]:
    """How this machine reaches the package index: variables of pip, and the files they name."""
    variables = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_CERT_"))
    }
    files = [Path("/etc/pip.conf"), Path("/etc/xdg/pip/pip.conf"), Path("/etc/resolv.conf")]
    personal = Path.home() / ".config" / "pip" / "pip.conf"
    if personal.is_file():
        variables["PIP_CONFIG_FILE"] = str(personal)
        files.append(personal)
    texts = [*variables.values(), *(file.read_text() for file in files if file.is_file())]
    named = {
        Path(path)
        for text in texts
        for path in re.findall(r"(?<![\w:/])(?:file://)?(/[\w./-]+)", text)
    }
    # The pages of a local index link to files next to its folder, and certificates to each other.
    folders = {path.parent for path in named if path.exists() and path.parent != Path("/")}
    certificates = Path("/etc/ssl")
    return variables, {path for path in {*files, *folders, certificates} if path.exists()}


def in_root(root: Path, command: str, **options: object) -> subprocess.Popen[str]:
    """Start a command in the root, in namespaces that end with it."""
    variables, shared = pip_configuration()
    mounts = ["mount -t proc proc proc", "mount -t tmpfs tmpfs dev/shm"]
    for path in sorted(shared):
        target = root / path.relative_to("/")
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        mounts.append(f"mount --rbind {path} {path.relative_to('/')}")
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    inside = f"cd /gangway && {command}"
    process: subprocess.Popen[str] = subprocess.Popen(
        [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec"),
            f'cd {root}; {"; ".join(mounts)}; chroot . sh -c "$0"',
            inside,
        ],
        env=environment | variables,
        text=True,
        start_new_session=True,
        **options,  # type: ignore[call-overload]
    )
    return process


def run_until_verified(root: Path) -> None:
    """Start `make run`, wait for a verified task of a sample tenant, and stop with Ctrl-C."""
    output = root / "run.log"
    with output.open("w") as log:
        process = in_root(
            root, f"make run PORT={_free_port()}", stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait_for_verified(process, root / "gangway" / "var", output)
            os.killpg(process.pid, signal.SIGINT)
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise FreshError(f"Ctrl-C did not stop it within {STOP_SECONDS} s") from None
        finally:
            process.kill()
    if not output.read_text().endswith("Stopped.\n"):
        raise FreshError(f"it did not stop in order:\n{output.read_text()[-2000:]}")


def _wait_for_verified(process: subprocess.Popen[str], data: Path, output: Path) -> None:
    until = time.monotonic() + FIRST_VERIFIED_SECONDS
    while not _verified_tasks(data):
        if process.poll() is not None or time.monotonic() > until:
            raise FreshError(f"no task was verified:\n{output.read_text()[-2000:]}")
        time.sleep(1)


def _verified_tasks(data: Path) -> int:
    (file,) = [*data.glob("*.sqlite3"), data / "missing"][:1]
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            query = "SELECT count(*) FROM onboarding_task WHERE status = 'verified'"
            return int(database.execute(query).fetchone()[0])
    except sqlite3.Error:
        return 0  # not created yet, or locked


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_tests(root: Path, tests: str) -> None:
    process = in_root(
        root,
        f'make test ARGS="{tests} --refuse-skips"',
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    printed, _ = process.communicate()
    show(printed.strip().splitlines()[-1] if printed.strip() else "no output")
    if process.returncode:
        raise FreshError(f"make test failed:\n{printed[-4000:]}")


def try_release(name: str, tests: str) -> None:
    release = RELEASES[name]
    show(f"{name}: {', '.join(PACKAGES)}")
    with clean_root(release) as root:
        show(f"{name}: make run")
        run_until_verified(root)
        show(f"{name}: a task was verified, and Ctrl-C stopped everything; make test {tests}")
        run_tests(root, tests)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help=", ".join(RELEASES))
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.releases) - set(RELEASES))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    missing = [name for name in ("debootstrap", "unshare") if shutil.which(name) is None]
    if missing or os.geteuid():
        parser.error("run it as root, and install debootstrap and util-linux")
    names = options.releases or (["debian-13"] if options.short else list(RELEASES))
    failed = False
    for name in names:
        if not is_reachable(RELEASES[name]):
            show(f"{name}: its archive is unreachable; not tried")
            continue
        try:
            try_release(name, SHORT_TESTS if options.short else "")
        except FreshError as error:
            show(f"{name}: FAILED: {error}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
