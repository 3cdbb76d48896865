"""Views of the requirements sheets and their imports."""
