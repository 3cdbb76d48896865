"""Supervises the child processes: start, restart, and stop in order."""

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
    """The request to stop, as a flag: a signal never interrupts an operation."""

    def __init__(self) -> None:
        self.requests = 0
        for number in SIGNALS:
            # An ignored SIGHUP is nohup's. Shells ignore SIGINT for `&`: handle it anyway.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._count_request)

    def _count_request(self, number: int, frame: FrameType | None) -> None:
        self.requests += 1

    @property
    def is_requested(self) -> bool:
        return self.requests > 0


class Supervisor:
    """Starts the broker first and stops it last, because the other services need it."""

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
        """Supervise until `is_ready` or a stop request. Raises CannotRunError after `seconds`."""
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
                    raise CannotRunError(f"The {child.name} stops repeatedly. Stopping everything.")
            elif time.monotonic() >= child.restart_at:
                print_line(f"Starting the {child.name} again.")
                child.start()

    def stop_all(self) -> None:
        """Stop the services, then the broker. A second request to stop kills them at once."""
        self._end_all(self.others, STOP_SECONDS)
        self._end_all([self.broker] if self.broker else [], BROKER_STOP_SECONDS)

    def _end_all(self, children: Sequence[ServiceProcess], seconds: float) -> None:
        requests_before = self.stop.requests
        until = time.monotonic() + seconds
        for child in children:
            child.terminate()
        while any(child.is_alive for child in children) and time.monotonic() < until:
            if self.stop.requests > requests_before:
                break
            time.sleep(POLL_SECONDS / 2)
        for child in children:
            child.kill()
