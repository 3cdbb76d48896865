"""Checks that connect to a tenant's hosts: SMTP, Inbound Lockdown, LDAPS.

- `smtp.inspect`, `lockdown.inspect`, `ldaps.inspect`: the checks.
- `prober.Prober`: the only way to a host; it resolves, applies the address guard and connects.
- `https.fetch`: one small file from a host that a zone names.

The guard's list of addresses belongs in `checks.engine.addresses`. A probe never sends mail data.
"""
