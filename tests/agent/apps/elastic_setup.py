import flask
from elasticapm.contrib.flask import ElasticAPM

_init = flask.Flask.__init__


def init(self, *args, **kwargs):
    _init(self, *args, **kwargs)
    ElasticAPM(self)


flask.Flask.__init__ = init
