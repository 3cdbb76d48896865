"""DNS queries with typed answers, and the verdict of all servers of a zone.

- `lookup`: the protocol and the answer types that checks use.
- `network_lookup`: the implementation over the network.
- `consensus`: query every authoritative server and combine their verdicts.
- `resolvers`, `delegations`: outdated caches and inconsistent delegations.

Judging the content of a record does not belong here.
"""
