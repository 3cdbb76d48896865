"""The archive of a tenant: one JSON file that another installation can import.

`writer` writes it, `validation` reads and verifies it, `importing` creates its tenant, `imports`
runs the stages of an upload. `comparison` lists the differences of two archives. `tables` declares
the content. docs/reference/tenant-archive.md describes the format.
"""
