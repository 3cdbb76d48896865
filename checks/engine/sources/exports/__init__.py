"""Read exports of a mail platform: bytes to tables of listed properties.

Entry point: `reader.read_export`. All input is untrusted and bounded. Every other property is
dropped here, before anything is stored.
"""
