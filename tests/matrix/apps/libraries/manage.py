"""The project's commands; its settings may be chosen by a library of late settings."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_reading.settings")
if "configurations" in os.environ["DJANGO_SETTINGS_MODULE"]:
    os.environ.setdefault("DJANGO_CONFIGURATION", "Development")
    from configurations.management import execute_from_command_line
else:
    from django.core.management import execute_from_command_line

execute_from_command_line(sys.argv)
