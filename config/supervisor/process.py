"""One child process: it has its own session, dies with its parent, and restarts."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

EARLY_EXIT_SECONDS = 10
MAX_EARLY_EXITS = 3
MAX_RESTART_DELAY_SECONDS = 30
TAIL_LINES = 15
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(number: int, parent: int | None = None) -> None:
    """Let the kernel send signal `number` when the parent dies, even by kill -9 (Linux only)."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, number)
        # The parent may have died before prctl was active.
        if parent is not None and os.getppid() != parent:
            os._exit(1)


def _die_with(parent: int) -> Callable[[], None]:
    return lambda: die_with_parent(signal.SIGKILL, parent)


@dataclass
class ServiceProcess:
    """A service and its current process."""

    name: str
    command: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    early_exits: int = 0

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - this process has one thread
            )
        self.started_at = time.monotonic()

    def rotate_log(self) -> None:
        """Start a new log file. The one of the previous run gets the suffix .log.1."""
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def record_exit(self) -> str:
        """Count the exit and schedule the restart. Returns a message with the end of the log.

        The delay doubles from 1 s to MAX_RESTART_DELAY_SECONDS with each early exit.
        """
        assert self.process is not None
        status = self.process.returncode
        self._kill_session()
        uptime = time.monotonic() - self.started_at
        self.early_exits = self.early_exits + 1 if uptime < EARLY_EXIT_SECONDS else 1
        delay = min(2 ** (self.early_exits - 1), MAX_RESTART_DELAY_SECONDS)
        self.restart_at = time.monotonic() + delay
        reason = f"exit status {status}" if status >= 0 else f"signal {-status}"
        return f"The {self.name} stopped ({reason}). The end of {self.log}:\n{self.tail()}"

    @property
    def has_failed(self) -> bool:
        return self.early_exits >= MAX_EARLY_EXITS

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(f"  | {line}" for line in lines) or "  | (nothing)"

    def terminate(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def kill(self) -> None:
        if self.process is not None:
            self._kill_session()

    def _kill_session(self) -> None:
        """Kill the process and everything that is left in its session."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
