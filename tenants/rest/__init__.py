"""The foundation of the REST API: authentication, errors, lists, idempotency, versions, the schema.

The endpoints are in `tenants/api.py`, `checks/api.py` and the `api.py` of each feature of
`onboarding`.
"""
