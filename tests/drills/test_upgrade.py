"""The upgrade from the version before the newest migration, while people and checks use it.

1. The former version runs under load.
2. The new version migrates the database. The former web process and workers continue.
3. Workers and a web process of the new version run next to them: two versions at once.
4. The former version ends, and the new one starts with its data.

`UPGRADE_FROM` names another commit.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from config import queues
from config.run import _worker
from tests.config.product import CHECKOUT, Product, free_port
from tests.drills.drill import NORMAL_WITHIN_SECONDS, RUNNING, START_WITHIN_SECONDS, Drill
from tests.drills.servers import HOST
from tests.drills.soak_world import SoakWorld
from tests.drills.start import started, stop
from tests.drills.visitor import Answer, Visitor, visitors

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

MIGRATIONS = "*/migrations/*.py"
TENANTS, SWITCHED = 10, 8
TOGETHER_SECONDS = 30
# A person may invite 30 people in an hour.
PEOPLE, PAGES_PER_INVITATION = 7, 9


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, check=True)
    return done.stdout


def former_commit() -> str:
    """The commit before the newest one on this branch that adds a migration."""
    newest = _git("log", "-1", "--first-parent", "--diff-filter=A", "--format=%H", "--", MIGRATIONS)
    return os.environ.get("UPGRADE_FROM") or f"{newest.decode().strip()}^"


def check_out(folder: Path) -> Path:
    folder.mkdir()
    archive = _git("archive", former_commit())
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder


class Load:
    """People who invite people and open pages until `stop`, at each web process in turn."""

    def __init__(self, world: SoakWorld, people: list[Visitor]) -> None:
        self.world, self.people = world, people
        self.addresses: tuple[str, ...] = (people[0].address,)
        self.requests = 0
        self.invited: list[str] = []
        self.failed: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for number in itertools.count():
            if self._ended.wait(0.3):
                return
            addresses = self.addresses
            person = self.people[number % len(self.people)]
            person = person.at(addresses[number // len(self.people) % len(addresses)])
            tenant = self.world.tenants[number % TENANTS]
            self._note(f"/t/{tenant}/", person.get(f"/t/{tenant}/"), 200)
            if number % PAGES_PER_INVITATION == 0:
                address = f"upgrade{number}@outside.test"
                path = f"/t/{tenant}/people/invite/"
                answer = person.post(path, email=address, role="viewer")
                if self._note(path, answer, 302):
                    self.invited.append(address)
            self.requests = number

    def _note(self, path: str, answer: Answer, expected: int) -> bool:
        if answer.status != expected:
            self.failed.append(f"{path}: {answer.status} {answer.text[:300]}")
        return answer.status == expected

    def leave_last_address(self) -> None:
        """Send no more requests to the web process that was added last, and wait for the answer."""
        self.addresses = self.addresses[:-1]
        until = self.requests + 2
        while self.requests < until and self._thread.is_alive():
            time.sleep(0.1)

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()


@contextlib.contextmanager
def new_processes(drill: Drill, port: int) -> Iterator[None]:
    """The workers and a web process of the new version, with the settings of the former one."""
    product = drill.product
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(product.folder)}
    environment |= {"LAB": "on", "DJANGO_SETTINGS_MODULE": "config.settings", **product.settings}
    commands = [_worker(name).replace(f"{name}@%h", f"new-{name}@%h") for name in queues.WORKERS]
    commands.append(f"-m gunicorn -c python:config.gunicorn --bind {HOST}:{port}")
    with contextlib.ExitStack() as stack:
        for number, command in enumerate(commands):
            log = stack.enter_context((product.folder / "log" / f"new-{number}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, *command.split()],
                cwd=CHECKOUT,
                env=environment,
                stdout=log,
                stderr=log,
            )
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        yield


def _wait_for_web(drill: Drill, port: int) -> None:
    def responds() -> bool:
        try:
            return requests.get(f"http://{HOST}:{port}/health/", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    drill.wait_until(responds, START_WITHIN_SECONDS)


def _rerun(drill: Drill) -> float:
    now = drill.query("SELECT clock_timestamp()")[0][0]
    return drill.seconds_until_run(drill.ids(RUNNING), now, 4 * NORMAL_WITHIN_SECONDS)


def _assert_nothing_is_lost(drill: Drill, world: SoakWorld, load: Load) -> None:
    drill.wait_until(lambda: not world.wrong(), 2 * NORMAL_WITHIN_SECONDS)
    sent = drill.mail.sent_to
    drill.wait_until(lambda: all(map(sent, load.invited)), 2 * NORMAL_WITHIN_SECONDS)
    assert [address for address in load.invited if len(sent(address)) != 1] == []
    assert drill.doubled() == 0
    drill.manage("verify_log")


def test_upgrade_under_load_loses_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("drill")
    former = check_out(folder / "former")
    with started(folder, checkout=former) as drill:
        drill.mail.hangs = False
        world = SoakWorld(drill, tenants=TENANTS, people=PEOPLE)
        people = visitors(drill, *(f"soak{n}@gangway.test" for n in range(PEOPLE)))
        load = Load(world, people)
        try:
            _rerun(drill)
            world.switch(SWITCHED)
            assert "Applying" in drill.manage("migrate", checkout=CHECKOUT)
            drill.manage("load_templates", checkout=CHECKOUT)
            alone = _rerun(drill)
            port = free_port()
            with new_processes(drill, port):
                _wait_for_web(drill, port)
                load.addresses += (f"http://{HOST}:{port}",)
                world.request_runs(world.switch(SWITCHED))
                time.sleep(TOGETHER_SECONDS)
                together = _rerun(drill)
                load.leave_last_address()
        finally:
            load.stop()
        assert load.failed == []
        stop(drill.product)
        drill.product = Product(drill.product.folder, checkout=CHECKOUT, **drill.product.settings)
        drill.product.wait_until_up(drill.product.start())
        try:
            world.request_runs(world.switch(SWITCHED))
            new = _rerun(drill)
            _assert_nothing_is_lost(drill, world, load)
        finally:
            stop(drill.product)
    print(  # noqa: T201
        f"every check has run: the former version after the migration {alone:.1f} s, both"
        f" {together:.1f} s, the new version {new:.1f} s; {len(load.invited)} invitations"
    )
