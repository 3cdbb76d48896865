"""The PostgreSQL backend of Django, which waits only once for a server that does not answer."""
