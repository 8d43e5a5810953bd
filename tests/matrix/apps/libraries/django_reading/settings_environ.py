"""Settings read with django-environ."""

import environ

from django_reading.settings import *  # noqa: F403

env = environ.Env(DEBUG=(bool, False))
DEBUG = env("DEBUG")
DATABASES = {"default": env.db_url("READ_ENVIRON_URL")}
