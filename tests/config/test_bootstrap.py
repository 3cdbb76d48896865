"""The installation of the locked packages into .venv."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from config.bootstrap import VirtualEnvironment, show_pip_progress

BOOTSTRAP = Path(__file__).resolve().parent.parent.parent / "config" / "bootstrap.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose lock files name no package."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bootstrap.py").write_text(BOOTSTRAP.read_text())
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    (tmp_path / "requirements-dev.txt").write_text("# nothing\n")
    return tmp_path


def bootstrap(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(checkout / "config" / "bootstrap.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def stamped(checkout: Path) -> VirtualEnvironment:
    environment = VirtualEnvironment(checkout)
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to(sys.executable)
    environment.write_stamp("requirements.txt")
    return environment


def test_stamped_environment_is_not_installed(checkout: Path) -> None:
    stamped(checkout)

    done = bootstrap(checkout)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("change", ["lock", "python", "stamp"])
def test_stamp_is_invalid_after_a_change(checkout: Path, change: str) -> None:
    environment = stamped(checkout)
    if change == "lock":
        (checkout / "requirements.txt").write_text("# another package\n")
    elif change == "python":
        environment.python.unlink()
    else:
        environment.stamp_file.write_text("{")

    assert environment.is_installed("requirements.txt") is False


def test_run_stamp_excludes_development(checkout: Path) -> None:
    environment = stamped(checkout)

    installed = [
        environment.is_installed(lock) for lock in ("requirements.txt", "requirements-dev.txt")
    ]

    assert installed == [True, False]


def test_pip_output_becomes_count_and_errors() -> None:
    shown: list[str] = []
    output = [
        "Collecting celery==5.7.0 (from -r requirements.txt (line 3))\n",
        "  Downloading celery-5.7.0-py3-none-any.whl (490 kB)\n",
        "Collecting django==5.2.19\n",
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n",
    ]

    errors = show_pip_progress(output, 2, shown.append)

    assert shown == ["  1 of 2  celery", "  2 of 2  django", ""]
    assert errors == ["ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"]


@pytest.mark.nightly
def test_environment_without_python_is_rebuilt(checkout: Path) -> None:
    first = bootstrap(checkout)
    second = bootstrap(checkout)
    (checkout / ".venv" / "bin" / "python").unlink()
    third = bootstrap(checkout)

    assert [done.returncode for done in (first, second, third)] == [0, 0, 0]
    assert first.stdout.splitlines()[0] == "Creating the environment in .venv"
    assert second.stdout == ""
    assert third.stdout.splitlines()[0] == "Creating the environment in .venv"


@pytest.mark.slow
def test_second_setup_waits(checkout: Path) -> None:
    (checkout / "var").mkdir()
    with open(checkout / "var" / "bootstrap.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = subprocess.Popen(
            [sys.executable, "-I", str(checkout / "config" / "bootstrap.py")],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert second.stdout is not None
        line = second.stdout.readline()
    second.communicate(timeout=60)

    assert line == "Another setup of this checkout is running. Waiting for it.\n"
    assert second.returncode == 0
