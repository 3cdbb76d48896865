"""Run the whole product on this machine until Ctrl-C: broker, web, streams, workers, beat and lab.

    .venv/bin/python -m config.run [--port 8000]

`make run` calls this. Variables of the environment have priority. For the others the embedded mode
has its own defaults, with all data under var/.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from checks.lab.addresses import LabEndpoints, announce, reserve_endpoints, withdraw_announcement
from config import queues
from config.supervisor import broker
from config.supervisor.environment import (
    HOST,
    CannotRunError,
    DataFolder,
    broker_socket,
    check_port,
    embedded_environment,
    live_port,
    lock_checkout,
)
from config.supervisor.process import ServiceProcess, die_with_parent
from config.supervisor.supervisor import Stop, Supervisor, print_line

CHECKOUT = Path(__file__).resolve().parent.parent
# These management commands run before the first request, in this order and in this process.
STARTUP_COMMANDS = (
    ("collectstatic", {"interactive": False, "verbosity": 0}),
    ("migrate", {"interactive": False, "verbosity": 0}),
    ("load_templates", {"verbosity": 0}),
    ("load_sample", {"verbosity": 0}),
)
SIGN_INS_COMMAND = "sample_sign_ins"
STARTUP_TIMEOUT_SECONDS = 60


def main() -> int:
    port = _port()
    data = DataFolder(Path(os.environ.get("VAR_DIR") or CHECKOUT / "var").resolve())
    if os.environ.get("MAKELEVEL"):
        die_with_parent(signal.SIGTERM)  # also if make is killed
    supervisor = Supervisor(Stop())
    try:
        data.create()
        with lock_checkout(data, port):
            check_port(port)
            run(supervisor, data, port)
    except CannotRunError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def run(supervisor: Supervisor, data: DataFolder, port: int) -> None:
    socket_path = broker_socket(data)
    started_at = time.monotonic()
    try:
        start(supervisor, data, port, socket_path)
        if not supervisor.stop.is_requested:
            print_welcome(port, data, time.monotonic() - started_at)
        supervisor.run()
        print_line("\nStopping.")
    finally:
        supervisor.stop_all()
        withdraw_announcement(data.lab)
        if socket_path.parent != data.broker:
            shutil.rmtree(socket_path.parent, ignore_errors=True)
    print_line("Stopped.")


def start(supervisor: Supervisor, data: DataFolder, port: int, socket_path: Path) -> None:
    """Start the broker, prepare the database, then start the other services together.

    The broker reads its file while Django prepares the database.
    """
    is_embedded = "CELERY_BROKER_URL" not in os.environ
    for name, value in embedded_environment(data, socket_path).items():
        # With an external broker no server listens on our socket: no Redis cache either.
        if is_embedded or name != "REDIS_URL":
            os.environ.setdefault(name, value)
    if not os.environ.get("ALLOWED_HOSTS"):
        os.environ.setdefault("LIVE_PORT", str(live_port(port)))
    announce_lab(data)
    if is_embedded:
        command = broker.command(broker.find_binary(), data.broker, socket_path)
        supervisor.add_broker(ServiceProcess("broker", command, data.logs / "broker.log"))
    prepare(supervisor)
    if is_embedded:
        supervisor.wait_until(
            lambda: broker.answers(socket_path), STARTUP_TIMEOUT_SECONDS, "The broker"
        )
    if not supervisor.stop.is_requested:
        supervisor.add(*services(data, port))
        supervisor.wait_until(
            lambda: web_responds(port), STARTUP_TIMEOUT_SECONDS, "The web process"
        )


def prepare(supervisor: Supervisor) -> None:
    try:
        django.setup()
        for name, options in STARTUP_COMMANDS:
            if not supervisor.stop.is_requested:
                call_command(name, **options)
    except (ImproperlyConfigured, CommandError, DatabaseError) as error:
        raise CannotRunError(f"Gangway cannot start: {error}") from error


def lab_port() -> int:
    """The lab's DNS port, from LAB_PORT or the default."""
    value = os.environ.get("LAB_PORT", "").strip()
    if value and not (value.isascii() and value.isdecimal() and 0 < int(value) < 65536):
        raise CannotRunError(f"LAB_PORT is '{value}'; write a port from 1 to 65535.")
    return int(value) if value else LabEndpoints.port


def announce_lab(data: DataFolder) -> None:
    """Write the lab's addresses to a file. Call it before Django reads its settings from it."""
    if os.environ["LAB"].lower() == "on":
        try:
            announce(data.lab, reserve_endpoints(lab_port()))
        except OSError as error:
            os.environ["LAB"] = "off"
            print_line(f"The lab is unavailable: {error.strerror or error}.")


def services(data: DataFolder, port: int) -> list[ServiceProcess]:
    arguments = {
        "web": f"-m gunicorn -c python:config.gunicorn --bind {HOST}:{port} --graceful-timeout 2",
        "live": f"-m config.live --host {HOST} --port {settings.LIVE_PORT}",
        **{f"{name}-worker": _worker(name) for name in queues.WORKERS},
        "beat": "-m celery -A config beat --pidfile= --schedule",
    }
    commands = {name: [sys.executable, *text.split()] for name, text in arguments.items()}
    commands["beat"].append(str(data.beat_schedule))
    if not settings.LIVE_PORT:
        del commands["live"]
    if settings.LAB:
        commands["lab"] = [sys.executable, str(CHECKOUT / "manage.py"), "lab", "serve"]
    return [
        ServiceProcess(name, command, data.logs / f"{name}.log")
        for name, command in commands.items()
    ]


def _worker(name: str) -> str:
    consumed, processes = queues.WORKERS[name]
    pool = "threads" if name in queues.THREADED else "prefork"
    return (
        f"-m celery -A config worker --hostname {name}@%h --queues {consumed} "
        f"--pool {pool} --concurrency {processes} -O fair --without-gossip --without-mingle "
        "--loglevel INFO"
    )


def web_responds(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()


def print_welcome(port: int, data: DataFolder, seconds: float) -> None:
    print_line(
        f"\nGangway is on http://{HOST}:{port}  (after {seconds:.1f} s; logs in {data.logs})\n"
    )
    call_command(SIGN_INS_COMMAND)
    print_line("\nCtrl-C stops everything.")


def _port() -> int:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--port", default="8000", help="the port of the web server")
    port = parser.parse_args().port
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        parser.exit(1, f"PORT is a number from 1 to 65535, not '{port}'.\n")
    return int(port)


if __name__ == "__main__":
    sys.exit(main())
