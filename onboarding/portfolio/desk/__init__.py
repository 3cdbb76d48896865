"""The desk: the home page of a consultant, over all tenants that they lead.

Entry points: needs.needs_of for the list "Needs you", queries.tasks_on_clients and
waiting.send_reminders for "Waiting on clients", strip.strip_of for the next 14 days. The desk has
no rules of its own about risks, waiting sides or votes: it reads the stored risks and the roll-up.
docs/topics/desk.md explains the groups.
"""
