"""Calendar feeds: iCalendar files at secret addresses, for one person, one tenant or the team.

Entry points: `urls` and `api`. `facts` collects the entries of a tenant, `entries` stores their
sequence numbers, and `ical` writes them. The dates themselves belong to plans and cutovers.
"""
