"""The sources of changed revisions: notifications of PostgreSQL, or a query twice a second."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import psycopg2
from django.db import Error, connection, connections

from config.live.hub import Hub
from onboarding.plans.revision_trigger import CHANNEL, read_notification
from tenants import notification_trigger

logger = logging.getLogger(__name__)

QUERY_SECONDS = 0.5
_RETRY_SECONDS = 1


async def follow(hub: Hub) -> None:
    """Report new revisions to the hub until this is cancelled.

    PostgreSQL is the only database with notifications. NOTIFY beats messages of Redis in time,
    load and safety (docs/topics/performance.md), so there is no second way.
    """
    if connection.vendor == "postgresql":
        await _listen(hub)
    else:
        await _query(hub)


async def _query(hub: Hub) -> None:
    while True:
        await asyncio.sleep(QUERY_SECONDS)
        await hub.compare()
        await hub.compare_people()


async def _listen(hub: Hub) -> None:
    """Listen; after a lost connection, connect again and compare all revisions."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            listener = await loop.run_in_executor(None, _connect)
        except Error as error:
            logger.warning("no notifications of PostgreSQL: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)
            continue
        lost: asyncio.Future[None] = loop.create_future()
        descriptor = listener.fileno()
        loop.add_reader(descriptor, _read, listener, hub, lost)
        try:
            # A change between the loss of one connection and LISTEN of the next.
            await hub.compare(is_reset=True)
            await lost
            logger.warning("the connection for notifications of PostgreSQL is lost")
        finally:
            loop.remove_reader(descriptor)
            listener.close()


def _connect() -> Any:
    """A connection of psycopg2 that listens."""
    wrapper = connections.create_connection("default")
    wrapper.connect()
    wrapper.set_autocommit(True)
    with wrapper.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
        cursor.execute(f"LISTEN {notification_trigger.CHANNEL}")
    return wrapper.connection


def _read(listener: Any, hub: Hub, lost: asyncio.Future[None]) -> None:
    try:
        listener.poll()
    except psycopg2.Error:
        if not lost.done():
            lost.set_result(None)
        return
    notices = list(listener.notifies)
    listener.notifies.clear()
    hub.receive(
        [read_notification(each.payload) for each in notices if each.channel == CHANNEL],
        is_complete=False,
    )
    hub.receive_people({int(each.payload) for each in notices if each.channel != CHANNEL})
