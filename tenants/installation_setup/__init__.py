"""The first run of an installation: first administrator, test e-mail, reviewed region values.

Entry points: `administrators.setup_link`, `mail_tests.request_mail_test`, `decisions`. The
checklist itself belongs to `onboarding.portfolio.setup_steps`, which knows the tenants.
"""
