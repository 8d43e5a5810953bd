"""A Flask service that was deployed the way it was developed."""

import os

import sqlalchemy as sa
from flask import Flask
from flask.views import MethodView

app = Flask("debugging_shop")
app.config.update(SECRET_KEY="dev", PAYMENT_PASSWORD="hunter2", COLOURS={"red", "green", "blue"})
engine = sa.create_engine("sqlite:///" + os.environ["DATABASE"])


@app.get("/")
def index():  # the index
    with engine.connect() as connection:
        return str(connection.scalar(sa.text("SELECT 1")))


class Basket(MethodView):
    def post(self):  # the basket
        return "ok"


app.add_url_rule("/basket/<int:number>", view_func=Basket.as_view("basket"))


if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]), debug=True, use_reloader=False)  # turned on
