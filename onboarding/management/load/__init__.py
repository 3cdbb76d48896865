"""Many tenants with a year of history, for measurements: `manage.py generate_load`.

The services and the engine create a few source tenants (`sources`). Their rows are copied in the
database (`copies`), so that thousands of tenants take minutes.
"""
