"""The addresses of the admin, below /admin/."""

from __future__ import annotations

from onboarding.repairs import records
from onboarding.repairs.site import site

records.register_all()
urlpatterns = site.get_urls()
app_name = "admin"
