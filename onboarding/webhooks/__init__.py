"""The pages of webhooks, for one tenant and for all tenants.

Entry point: `urls`. `tenants.webhooks` stores and delivers the messages, and has the services.
"""
