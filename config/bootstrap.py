"""Install the locked packages into .venv. Runs on the system's Python, before any package exists.

    python3 -I config/bootstrap.py [--dev]

A stamp in .venv names the lock files behind it, so a second call returns at once. An interrupted
installation leaves no stamp and starts again. Of two concurrent calls, the second waits.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

OLDEST_PYTHON = (3, 11)
RUN_LOCK = "requirements.txt"
DEV_LOCK = "requirements-dev.txt"  # contains everything of RUN_LOCK, at the same versions
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", re.MULTILINE)
COLLECTING = re.compile(r"^Collecting ([A-Za-z0-9._-]+)")


class SetupError(Exception):
    """The setup cannot continue. The message is for the user at the terminal."""


def refuse_old_python() -> None:
    if sys.version_info < OLDEST_PYTHON:
        this = ".".join(str(part) for part in sys.version_info[:2])
        raise SetupError(
            f"Gangway needs Python 3.11 or later and this is {this}; name another with "
            "`make run PYTHON=python3.12`."
        )


class VirtualEnvironment:
    """The .venv of one checkout, and the stamp with its contents."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.folder = checkout / ".venv"
        self.python = self.folder / "bin" / "python"
        self.stamp_file = self.folder / "gangway-stamp.json"

    def digest(self, lock: str) -> str:
        return hashlib.sha256((self.checkout / lock).read_bytes()).hexdigest()

    def stamp(self, *locks: str) -> dict[str, str]:
        """The stamp for `locks`. It differs in a moved checkout and on another Python."""
        made_of = {"checkout": str(self.checkout), "python": os.path.realpath(self.python)}
        return made_of | {lock: self.digest(lock) for lock in locks}

    def is_installed(self, lock: str) -> bool:
        try:
            stamp = json.loads(self.stamp_file.read_text())
        except (OSError, ValueError):
            return False
        return self.python.exists() and stamp.items() >= self.stamp(lock).items()

    def is_sound(self) -> bool:
        """Whether the environment's Python runs and has the version of its packages."""
        configuration = self.folder / "pyvenv.cfg"
        if not self.python.exists() or not configuration.exists():
            return False
        made_for = re.search(r"^version\w* *= *(\d+\.\d+)", configuration.read_text(), re.MULTILINE)
        program = "import sys; print('%d.%d' % sys.version_info[:2])"
        worked, version = run_command([str(self.python), "-c", program])
        return worked and made_for is not None and made_for.group(1) == version.strip()

    def write_stamp(self, *locks: str) -> None:
        unfinished = self.stamp_file.with_suffix(".new")
        unfinished.write_text(json.dumps(self.stamp(*locks)))
        unfinished.replace(self.stamp_file)


def create(environment: VirtualEnvironment) -> None:
    if environment.folder.is_symlink():
        environment.folder.unlink()
    elif environment.folder.exists():
        shutil.rmtree(environment.folder)
    if not importlib.util.find_spec("ensurepip") or not importlib.util.find_spec("venv"):
        raise SetupError(
            "Python's venv module is missing: run `apt install python3-venv` and try again."
        )
    print_line("Creating the environment in .venv")
    worked, output = run_command([sys.executable, "-m", "venv", str(environment.folder)])
    if not worked:
        raise SetupError(f"Creating .venv failed: {last_line(output)}")


def install(environment: VirtualEnvironment, lock: str) -> None:
    environment.stamp_file.unlink(missing_ok=True)
    total = len(PINNED.findall((environment.checkout / lock).read_text()))
    print_line(f"Installing {total} packages from {lock}")
    if not install_with_uv(environment, lock):
        install_with_pip(environment, lock, total)
    environment.write_stamp(*([RUN_LOCK, DEV_LOCK] if lock == DEV_LOCK else [lock]))


def install_with_uv(environment: VirtualEnvironment, lock: str) -> bool:
    """Install with uv, which is much faster. Returns False if uv is missing or fails.

    It fails, for example, with a mirror that only the configuration of pip names.
    """
    uv = shutil.which("uv")
    if uv is None:
        return False
    command = [uv, "pip", "install", "--require-hashes", "--python", str(environment.python)]
    worked, output = run_command([*command, "-r", str(environment.checkout / lock)])
    if not worked:
        print_line(f"uv could not install them ({last_line(output)}); trying pip")
    return worked


def install_with_pip(environment: VirtualEnvironment, lock: str, total: int) -> None:
    pip = [str(environment.python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    has_pip, _ = run_command([*pip, "--version"])
    if not has_pip:
        run_command([str(environment.python), "-m", "ensurepip"])
    command = [*pip, "install", "--require-hashes", "--no-deps", "--no-compile"]
    running = subprocess.Popen(
        [*command, "--progress-bar", "off", "-r", lock],
        cwd=environment.checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert running.stdout is not None
    errors = show_pip_progress(running.stdout, total, ProgressLine(sys.stdout.isatty()))
    if running.wait():
        raise SetupError(
            "The installation failed. Run `make run` to continue it.\n  " + "\n  ".join(errors)
        )


def show_pip_progress(lines: Iterable[str], total: int, show: Callable[[str], None]) -> list[str]:
    """Show pip's output as a count. Returns its last error lines, at most five."""
    count, errors = 0, []
    for line in lines:
        collecting = COLLECTING.match(line)
        if collecting:
            count += 1
            show(f"  {count} of {total}  {collecting.group(1)}")
        elif line.startswith("Installing collected packages"):
            show("  unpacking")
        elif "error" in line.lower():
            errors.append(line.strip())
    show("")
    return errors[-5:]


class ProgressLine:
    """Rewrites one line on a terminal. Elsewhere it prints a line for every tenth package."""

    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal = is_terminal
        self.calls = 0

    def __call__(self, text: str) -> None:
        self.calls += 1
        if self.is_terminal:
            sys.stdout.write(f"\r\x1b[K{text}")
            sys.stdout.flush()
        elif text and (self.calls % 10 == 1 or text == "  unpacking"):
            print_line(text)


@contextmanager
def setup_lock(checkout: Path) -> Iterator[None]:
    """Lock the setup of a checkout. The kernel releases the lock when the process ends."""
    folder = checkout / "var"
    folder.mkdir(exist_ok=True)
    with open(folder / "bootstrap.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print_line("Another setup of this checkout is running. Waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def print_line(text: str) -> None:
    print(text, flush=True)


def run_command(command: list[str]) -> tuple[bool, str]:
    """Whether the command succeeded, and its output."""
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode == 0, done.stdout


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def bootstrap(checkout: Path, lock: str) -> None:
    refuse_old_python()
    environment = VirtualEnvironment(checkout)
    if environment.is_installed(lock):
        return
    started = time.monotonic()
    with setup_lock(checkout):
        if environment.is_installed(lock):
            return
        if not environment.is_sound():
            create(environment)
        install(environment, lock)
    print_line(f"The environment is ready ({time.monotonic() - started:.0f} s)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--dev", action="store_true", help="also install the packages for tests and checks"
    )
    lock = DEV_LOCK if parser.parse_args().dev else RUN_LOCK
    try:
        bootstrap(Path(__file__).resolve().parent.parent, lock)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. Run `make run` to continue.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
