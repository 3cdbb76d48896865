from checks.engine.spf_check_host import CheckHostResult, Result, check_host

__all__ = ["CheckHostResult", "Result", "check_host"]
