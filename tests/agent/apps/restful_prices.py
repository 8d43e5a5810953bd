"""A small Flask-RESTful service."""

from flask import Flask
from flask_restful import Api, Resource

app = Flask("prices")
api = Api(app)


class Price(Resource):
    def get(self, sku: str) -> dict[str, str]:
        if sku == "broken":
            raise ValueError("no price for broken things")
        return {"sku": sku}


api.add_resource(Price, "/price/<sku>")
