"""Views of the profile, people, proposals, closing and offboarding."""
