"""The list of tenants: filters, order, columns, saved views, exports and bulk actions.

Entry points: `list_state.state_of` (a request's query as a list), `rows.tenant_rows` (the rows of
one page), `saved_views`, `bulk.apply_to_tenants` and `onboarding.portfolio.list_exports`.
No risk, wait or forecast is computed here: the list reads the stored risks and figures.
"""
