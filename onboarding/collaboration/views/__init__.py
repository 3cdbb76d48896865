"""Views of comments, contacts, files and share links."""
