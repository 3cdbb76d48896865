"""SPF (RFC 7208): parse, expand, evaluate and judge a domain's record.

- `check.inspect`: the check.
- `check_host.check_host`: the evaluation of RFC 7208 for one address.
- `expansion.expand`: the complete tree of a record with its lookups.
- `proposal.proposed_record`: the record that the client should publish.

DNS transport belongs in `dns`, DMARC alignment in `mail`.
"""
