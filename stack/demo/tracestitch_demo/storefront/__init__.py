"""The storefront: what customers talk to. Django and Django REST framework; its tasks run in a Celery worker."""
