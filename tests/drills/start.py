"""Starts the whole product on servers of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.config.product import CHECKOUT, Product
from tests.drills.drill import RUNNING, START_WITHIN_SECONDS, Drill
from tests.drills.mail_server import mail_server
from tests.drills.servers import HOST, Server, own_postgresql, own_redis


@contextlib.contextmanager
def started(
    folder: Path,
    *,
    postgresql: Server | None = None,
    checkout: Path = CHECKOUT,
    **settings: str,
) -> Iterator[Drill]:
    """The product, after its first runs. `settings` are additional environment variables."""
    with contextlib.ExitStack() as servers:
        database = postgresql or servers.enter_context(own_postgresql(folder))
        redis = servers.enter_context(own_redis(folder))
        mail = servers.enter_context(mail_server())
        product = Product(
            folder / "var",
            checkout=checkout,
            **{
                "DATABASE_URL": f"postgres://postgres@{database.host}:{database.port}/postgres",
                "CELERY_BROKER_URL": f"redis://{HOST}:{redis.port}/0",
                "REDIS_URL": f"redis://{HOST}:{redis.port}/1",
                "EMAIL_HOST": HOST,
                "EMAIL_PORT": str(mail.port),
                "EMAIL_USE_TLS": "off",
                # Code in the shell shares encrypted values and sessions with the product.
                "SECRET_KEY": "of-a-drill-" * 4,
                "DEBUG": "off",
                **settings,
            },
        )
        process = product.start()
        servers.callback(stop, product)
        product.wait_until_up(process, START_WITHIN_SECONDS)
        made = Drill(product, database, redis, mail)
        started_at = made.query("SELECT now()")[0][0]
        made.seconds_until_run(made.ids(RUNNING), started_at, START_WITHIN_SECONDS)
        yield made


def stop(product: Product) -> None:
    """End all processes of the product in order, as Ctrl-C does."""
    if product.process is not None and product.process.poll() is None:
        product.process.terminate()
        product.process.wait(30)
