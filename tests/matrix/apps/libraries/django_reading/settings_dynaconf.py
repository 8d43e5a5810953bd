"""Settings that dynaconf takes over."""

import dynaconf

from django_reading.settings import *  # noqa: F403

settings = dynaconf.DjangoDynaconf(__name__)
