"""Views of single tasks. The page of the whole plan is in `onboarding.portfolio.views`."""
