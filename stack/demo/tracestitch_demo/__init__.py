"""The demo: a small shop of Django and Flask services with pitfalls seeded in natural places."""
