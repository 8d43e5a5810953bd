"""The same as a resource of Flask-RESTful."""

from flask_reading import app, log, reader
from flask_restful import Api, Resource


class Reading(Resource):
    def get(self, pk):
        log.info("reading %s", pk)
        return {"found": reader.read(pk)}


Api(app).add_resource(Reading, "/resource/<int:pk>")
