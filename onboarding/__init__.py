"""Plans, cutovers and every other feature around a tenant, one package each.

Entry points: `urls` (pages), `api_urls` (endpoints) and `receivers` (recorded runs). The packages
import each other in one order, from `portfolio` down to `plans` and `models` (pyproject.toml).

Checks and their verdicts belong to `checks`, people and permissions to `tenants`.
"""
