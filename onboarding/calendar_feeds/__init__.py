"""Calendar feeds: iCalendar files at secret addresses, for one person, one tenant or the team.

Entry points: `urls` and `api`. `facts` collects the entries of a tenant, and
`entries` stores their sequence numbers. `ical` writes them.
"""
