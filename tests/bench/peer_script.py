"""Runs inside the peer's own environment: SPF, MX and DMARC of some domains with checkdmarc.

Arguments: name server, port, threads, domains. Prints the seconds of wall clock and of CPU.
"""

from __future__ import annotations

import importlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor


def main(address: str, port: int, threads: int, domains: list[str]) -> None:
    plain = importlib.import_module("dns.nameserver").Do53Nameserver
    spf, smtp, dmarc = (
        importlib.import_module(f"checkdmarc.{n}") for n in ("spf", "smtp", "dmarc")
    )
    # The peer ignores the configured port and uses port 53.
    plain.__init__.__defaults__ = (port,)

    def check(domain: str) -> None:
        for ask in (spf.check_spf, smtp.check_mx, dmarc.check_dmarc):
            ask(domain, nameservers=[address])

    began, busy = time.perf_counter(), time.process_time()
    if threads == 1:
        for domain in domains:
            check(domain)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(check, domains))
    seconds = time.perf_counter() - began, time.process_time() - busy
    sys.stdout.write(f"{seconds[0]} {seconds[1]}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
