"""Django's own memcached backend with a client that keeps everything to itself."""

from types import SimpleNamespace

from django.core.cache.backends.memcached import BaseMemcachedCache


class Client:
    kept = {}

    def __init__(self, servers, **options):
        pass

    def get(self, key, default=None):
        return self.kept.get(key, default)

    def set(self, key, value, timeout):
        self.kept[key] = value
        return True

    def disconnect_all(self):
        pass


class FarCache(BaseMemcachedCache):
    def __init__(self, server, params):
        super().__init__(server, params, SimpleNamespace(Client=Client), KeyError)
