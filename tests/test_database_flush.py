"""The end of a test with commits leaves no row, whichever tables it filled."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

from tenants import append_only
from tenants.models import Tenant, User
from tests.database_flush import filled_tables

ALL_OF_GANGWAY = ("tenants_", "checks_", "onboarding_")


def _tables() -> list[str]:
    names = connection.introspection.django_table_names(only_existing=True)
    return sorted(name for name in names if name.startswith(ALL_OF_GANGWAY))


@pytest.mark.django_db(transaction=True)
def test_flush_empties_every_table(tenant: Tenant, owner: User) -> None:
    tables = _tables()
    filled = filled_tables(tables)
    append_only.switch_off(connection)

    call_command("flush", interactive=False, verbosity=0)

    assert {"tenants_tenant", "onboarding_task", "tenants_activityline"} <= set(filled)
    assert filled == sorted(filled)
    assert set(tables) - set(filled) != set()
    assert filled_tables(tables) == []
