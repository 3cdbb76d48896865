"""All children together: started at once, watched, started again, and stopped in order."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType

from config.supervisor.environment import CannotRunError
from config.supervisor.process import ServiceProcess

POLL_SECONDS = 0.1
STOP_SECONDS = 5
BROKER_STOP_SECONDS = 3
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Stop:
    """Whether somebody asked us to stop. A flag: no signal cuts a step in two."""

    def __init__(self) -> None:
        self.requests = 0
        for number in SIGNALS:
            # nohup has us ignore a hang-up; an ignored SIGINT is only a shell's way with `&`.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requests += 1

    @property
    def is_requested(self) -> bool:
        return self.requests > 0


class Supervisor:
    """The broker serves the others, so it comes first and goes last."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        self.broker: ServiceProcess | None = None
        self.others: list[ServiceProcess] = []

    @property
    def children(self) -> list[ServiceProcess]:
        return [*([self.broker] if self.broker else []), *self.others]

    def add_broker(self, broker: ServiceProcess) -> None:
        self.broker = broker
        broker.rotate_log()
        broker.start()

    def add(self, *children: ServiceProcess) -> None:
        for child in children:
            self.others.append(child)
            child.rotate_log()
            child.start()

    def wait_until(self, is_ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Keep house until `is_ready`, a stop request, or the end of our patience."""
        until = time.monotonic() + seconds
        while not self.stop.is_requested and not is_ready():
            if time.monotonic() > until:
                raise CannotRunError(f"{what} did not answer within {seconds:.0f} seconds.")
            self.restart_exited()
            time.sleep(POLL_SECONDS)

    def run(self) -> None:
        while not self.stop.is_requested:
            self.restart_exited()
            time.sleep(POLL_SECONDS)

    def restart_exited(self) -> None:
        for child in self.children:
            if child.is_alive:
                continue
            if child.process is not None:
                print_line(child.record_exit())
                if child.has_failed:
                    raise CannotRunError(f"The {child.name} does not stay up; stopping everything.")
            elif time.monotonic() >= child.restart_at:
                print_line(f"Starting the {child.name} again.")
                child.start()

    def stop_all(self) -> None:
        """Doors first, broker last. Asked once more meanwhile, we wait for nobody."""
        self._end_all(self.others, STOP_SECONDS)
        self._end_all([self.broker] if self.broker else [], BROKER_STOP_SECONDS)

    def _end_all(self, children: Sequence[ServiceProcess], seconds: float) -> None:
        asked_before = self.stop.requests
        until = time.monotonic() + seconds
        for child in children:
            child.terminate()
        while any(child.is_alive for child in children) and time.monotonic() < until:
            if self.stop.requests > asked_before:
                break
            time.sleep(POLL_SECONDS / 2)
        for child in children:
            child.kill()
