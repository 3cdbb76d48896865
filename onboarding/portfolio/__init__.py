"""Pages over all tenants that a person can see, and the first pages of one tenant.

Entry points: the views (home, dashboard, search, plan, domains, schedule), tenant_status for the
status sentence of a tenant, bulk for one change of many tasks, shared_page for share links. Rules
about tasks and cutovers do not belong here: the pages show what plans and cutovers compute.
"""
