"""People, tenants and the activity log. The lowest app: it imports no other.

Entry points: `access.require` guards every view by a `permissions.Permission`, `services` and
`people` write, `queries` reads, `services.write_activity` adds a line to the activity log.
Plans, checks and cutovers do not belong here.
"""
