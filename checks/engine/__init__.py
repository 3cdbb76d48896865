"""Run checks over the network and judge the answers: pure asyncio Python without Django.

- Entry points: `batch.run_all`, `batch.inspect_recorded`, `discovery.inspect`, `preflight`.
- Each check kind is one module with `parse`, `judge` (pure) and `inspect` (fetch, then judge).
- Network access is a parameter: `dns.lookup.Lookup` and `hosts.prober.Prober`.
- Subpackages: `dns` (lowest), `hosts`, `spf`, `mail`.

Schedules, stored runs and settled verdicts belong in `checks`, sentences in
`templates/checks/findings`.
"""
