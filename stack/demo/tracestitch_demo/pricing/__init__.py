"""Pricing: prices, quotes and payments. Flask-RESTful, in an environment of its own."""
