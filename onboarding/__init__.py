"""Plans, cutovers and every other feature around a tenant, one package each."""
