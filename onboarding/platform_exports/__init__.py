"""Exports of the client's mail platform: script, upload and results.

Entry points: `services.submit_platform_export` and the task that reads it. The facts, the rules and
the checks belong to `checks`.
"""
