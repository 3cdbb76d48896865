"""The pages and endpoints of webhooks, for one tenant and for all tenants.

Entry points: `urls` and `api`. `tenants.webhooks` stores and delivers the messages, and has the
services.
"""
