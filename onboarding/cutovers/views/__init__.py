"""Views of the cutovers, one module for each group of pages."""
