"""The app of template partials, without its own configuration: that one imports the admin site.

`config.settings` names its loader instead.
"""

from __future__ import annotations

from django.apps import AppConfig


class TemplatePartials(AppConfig):
    name = "template_partials"
    default = False
