"""Fixtures of the drills. One product serves all drills of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.config.product import Product
from tests.drills.drill import RUNNING, START_WITHIN_SECONDS, Drill
from tests.drills.servers import HOST, hanging_mail_server, own_postgresql, own_redis


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    folder = tmp_path_factory.mktemp("drill")
    with (
        own_postgresql(folder) as postgresql,
        own_redis(folder) as redis,
        hanging_mail_server() as mail_port,
    ):
        product = Product(
            folder / "var",
            DATABASE_URL=f"postgres://postgres@{HOST}:{postgresql.port}/postgres",
            CELERY_BROKER_URL=f"redis://{HOST}:{redis.port}/0",
            REDIS_URL=f"redis://{HOST}:{redis.port}/1",
            EMAIL_HOST=HOST,
            EMAIL_PORT=str(mail_port),
        )
        process = product.start()
        product.wait_until_up(process)
        made = Drill(product, postgresql, redis)
        started_at = made.query("SELECT now()")[0][0]
        made.seconds_until_run(made.ids(RUNNING), started_at, START_WITHIN_SECONDS)
        yield made
        process.terminate()
        process.wait(20)
