"""Settings in several files, put together by django-split-settings."""

from split_settings.tools import include, optional

include("settings.py", optional("settings_of_this_machine.py"))
