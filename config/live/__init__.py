"""The stream process: sends the revisions of plans to open pages, as server-sent events.

Entry points: `config.asgi.application`, and `python -m config.live`, which serves it with uvicorn.
The permission of each stream comes from a view of the product (`tenants.streams.StreamResponse`).
"""
