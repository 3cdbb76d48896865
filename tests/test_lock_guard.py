"""SQLite has no row locks. The tests refuse there the same locks that PostgreSQL refuses."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.db.transaction import TransactionManagementError

from tenants.models import Tenant


@pytest.mark.django_db(transaction=True)
def test_lock_outside_a_transaction_is_refused() -> None:
    locked = Tenant.objects.select_for_update()
    with pytest.raises(TransactionManagementError):
        list(locked)
    with transaction.atomic():
        assert list(locked) == []
