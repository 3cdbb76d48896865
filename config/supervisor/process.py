"""One child process: started in a session of its own, dying with us, watched and started again."""

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
    """Have the kernel send us `number` when our parent dies, even of kill -9 (Linux only)."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, number)
        if parent is not None and os.getppid() != parent:
            os._exit(1)


def _die_with(parent: int) -> Callable[[], None]:
    return lambda: die_with_parent(signal.SIGKILL, parent)


@dataclass
class ServiceProcess:
    """A service of ours and the process that is it at the moment."""

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
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 - we have a single thread
            )
        self.started_at = time.monotonic()

    def rotate_log(self) -> None:
        """Begin a new log; the one of the last run stays beside it."""
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def record_exit(self) -> str:
        """Count the death, decide when to start again, and say what happened."""
        assert self.process is not None
        status = self.process.returncode
        self._kill_session()
        lived = time.monotonic() - self.started_at
        self.early_exits = self.early_exits + 1 if lived < EARLY_EXIT_SECONDS else 1
        pause = min(2 ** (self.early_exits - 1), MAX_RESTART_DELAY_SECONDS)
        self.restart_at = time.monotonic() + pause
        how = f"exit status {status}" if status >= 0 else f"signal {-status}"
        return f"The {self.name} stopped ({how}). The end of {self.log}:\n{self.tail()}"

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
        """End the process if it has not ended, and whatever it left in its session."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
