"""Settings chosen by a class, which django-configurations sets up late."""

from configurations import Configuration

from django_reading import settings as plain


class Development(Configuration):
    pass


for _name in dir(plain):
    if _name.isupper():
        setattr(Development, _name, getattr(plain, _name))
