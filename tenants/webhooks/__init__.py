"""Webhooks: signed HTTP calls to other systems about events of tenants.

`events.add_events` stores one message for each webhook, in the transaction of the change.
`delivery.deliver` sends the messages of one webhook, and `services` changes webhooks. The pages
belong to `onboarding.webhooks`, and the meaning of an event to the app that adds it.
"""
