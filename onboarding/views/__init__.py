"""Onboarding's pages. Each loads for this tenant, checks the role, acts through a service, shows."""
