"""Views across tenants, and the plan, domain and schedule pages of one."""
