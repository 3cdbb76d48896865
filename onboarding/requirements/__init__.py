"""Requirements sheets: what the gathering tasks collect, as typed tables."""
