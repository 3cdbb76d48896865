"""The addresses of the admin, below /admin/."""

from __future__ import annotations

from onboarding.repairs import record_pages
from onboarding.repairs.site import site

record_pages.register_all()
urlpatterns = site.get_urls()
app_name = "admin"
