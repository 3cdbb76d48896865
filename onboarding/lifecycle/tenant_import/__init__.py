"""Import tenants from a file: preview first, then each tenant with its domains and hosts."""
