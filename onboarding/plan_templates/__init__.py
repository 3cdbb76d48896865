"""Versions of the plan template: reading, editing, publishing, and upgrading plans.

Entry points: `registry` stores versions, `drafts` edits and publishes the next one,
`plan_creation` creates a tenant's plan, and `upgrade` brings a plan to a newer version. The rules
for a task in a plan belong to onboarding.plans.
"""
