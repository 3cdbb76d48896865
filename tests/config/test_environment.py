"""The environment of `make run`: data folder, lock, port and defaults."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from config.supervisor import environment
from config.supervisor.environment import (
    CannotRunError,
    DataFolder,
    broker_socket,
    check_port,
    embedded_environment,
    live_port,
    lock_checkout,
)


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "var")
    folder.create()
    return folder


def test_port_in_use_suggests_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(CannotRunError, match=rf"^Port {port} is taken: choose another"):
            check_port(port)

    check_port(port)


def test_streams_use_the_next_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        other = live_port(port - 1)

    assert other != port
    assert live_port(port - 1) == port
    assert 0 < live_port(65_535) < 65_535


def test_checkout_runs_once(data: DataFolder) -> None:
    with (
        lock_checkout(data, 8000),
        pytest.raises(CannotRunError, match=r"already running: http://127\.0\.0\.1:8000, process"),
    ):
        lock_checkout(data, 9000)

    lock_checkout(data, 9000).close()


def test_secret_key_is_stored_privately(data: DataFolder) -> None:
    first, second = data.secret_key(), data.secret_key()

    assert (first == second, len(first) >= 64) == (True, True)
    assert (data.path / "secret-key").stat().st_mode & 0o777 == 0o600


def test_long_folder_gets_a_short_socket(data: DataFolder) -> None:
    deep = DataFolder(data.path / ("deep" * 30))

    usual, short = broker_socket(data), broker_socket(deep)

    assert usual == data.broker / "broker.sock"
    assert len(str(short)) <= environment.MAX_SOCKET_PATH_LENGTH
    assert short.parent.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(short.parent)


def test_embedded_mode_has_lab_without_debug(data: DataFolder) -> None:
    made = embedded_environment(data, Path("/run/broker.sock"))

    assert {name: made[name] for name in ("DEBUG", "LAB", "CELERY_BROKER_URL", "REDIS_URL")} == {
        "DEBUG": "off",
        "LAB": "on",
        "CELERY_BROKER_URL": "redis+socket:///run/broker.sock",
        "REDIS_URL": "unix:///run/broker.sock?db=1",
    }
