"""Runs the whole product in its own processes, with its own data folder and port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
# A machine of CI may be four times slower than usual, and busy.
START_SECONDS = 180
STOP_SECONDS = 15


class Product:
    """One start of the product. `settings` are additional environment variables."""

    def __init__(self, folder: Path, *, checkout: Path = CHECKOUT, **settings: str) -> None:
        self.folder = folder
        self.checkout = checkout
        self.settings = settings
        self.port = free_port()
        self.output = folder.parent / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        inherited = ("PATH", "HOME", "LANG")
        environment = {name: os.environ[name] for name in inherited if name in os.environ}
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.run", "--port", str(self.port)],
                cwd=self.checkout,
                env={**environment, **self.settings, "VAR_DIR": str(self.folder)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.process

    def printed(self) -> str:
        return self.output.read_text()

    def wait_until_up(
        self, process: subprocess.Popen[bytes], seconds: float = START_SECONDS
    ) -> None:
        until = time.monotonic() + seconds
        while "Ctrl-C stops everything" not in self.printed():
            if process.poll() is not None or time.monotonic() > until:
                self.kill()
                pytest.fail(f"the product did not start:\n{self.printed()}")
            time.sleep(0.1)

    def kill(self) -> None:
        """Stop a product that did not start. No other test may share its processor time."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(STOP_SECONDS)

    def processes(self) -> list[str]:
        """Every process of this run, by VAR_DIR in its environment or on its command line."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and self._owns(entry):
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # the process ended
        return found

    def _owns(self, entry: Path) -> bool:
        inherits = f"VAR_DIR={self.folder}\0".encode() in (entry / "environ").read_bytes()
        return inherits or f"{self.folder}/broker/" in (entry / "cmdline").read_text()

    def processes_after(self, seconds: float) -> list[str]:
        until = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.1)
        return left


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
