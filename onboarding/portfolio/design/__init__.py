"""The design system at /design/: every component in every state, from the real templates."""
