"""Tests of SCIM provisioning."""
