"""The agent: it observes a Django, Flask or Celery process from inside and sends what it saw as OTLP."""

__version__ = "0.1.0"
