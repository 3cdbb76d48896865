"""Requirements sheets: the typed tables that gathering tasks collect.

Entry points: `services` changes rows, `imports` imports files, `exports` writes files, and
`sign_off` records each side's sign-off. `definitions` declares the kinds of sheets. The status of
the task itself belongs to onboarding.plans.
"""
