"""The forms of the life of a tenant: profile, proposals, zone import, archive, closing."""
