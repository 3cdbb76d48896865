"""Checks of mail records and of test messages: DKIM, DMARC, MTA-STS, message.

- `dkim.inspect`, `dmarc.inspect`, `mta_sts.inspect`, `message.inspect`: the checks.
- `dkim_keys`, `dmarc_records`, `mta_sts_policy`, `message_parser`: pure parsers for hostile input.

SPF has its own package. Connections to mail servers belong in `hosts`.
"""
