"""Views of the plan template editor and of upgrades."""
