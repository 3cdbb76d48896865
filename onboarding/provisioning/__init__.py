"""SCIM 2.0 provisioning of the staff by the company's directory (RFC 7643, RFC 7644).

Entry points: `views.py`, below /scim/v2/. The people of a client do not exist here.
`tenants/provisioning_tokens.py` has the tokens, `tenants/staff_groups.py` the roles of groups.
"""
