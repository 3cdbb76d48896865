"""Onboarding's pages: load for this tenant, check the role, act through a service, show."""
