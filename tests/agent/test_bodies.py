"""The shape of an error answer."""

import json

import pytest

from tracestitch.bodies import LARGEST_BODY, body_shape, content_type


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({"detail": "no", "code": 7}, "code:int,detail:str"),
        ({"a": None, "b": True, "c": 1.5, "d": [], "e": {}}, "a:null,b:bool,c:float,d:list,e:dict"),
        ([1, 2], "list"),
        ("no", "str"),
        (None, "null"),
        ({}, ""),
    ],
)
def test_a_json_body_has_a_shape_of_keys_and_types(value: object, shape: str) -> None:
    assert body_shape("application/json", json.dumps(value).encode()) == shape


def test_a_body_that_is_not_json_has_none() -> None:
    assert body_shape("text/html", b'{"a": 1}') is None
    assert body_shape("application/json", b"<h1>") is None
    assert body_shape("application/json", b"[" * 50_000) is None
    assert body_shape("application/json", b"") is None
    assert body_shape("application/json", b'"' + b"a" * LARGEST_BODY + b'"') is None


def test_problem_details_are_json() -> None:
    assert body_shape("application/problem+json", b'{"title": "x"}') == "title:str"


def test_a_hostile_body_cannot_make_a_long_shape() -> None:
    body = json.dumps({f"{number:05}" + "k" * 500: 1 for number in range(100)}).encode()

    shape = body_shape("application/json", body)

    assert shape is not None
    assert len(shape) < 50 * 80


def test_the_content_type_loses_its_parameters() -> None:
    assert content_type("Application/JSON; charset=utf-8") == "application/json"
    assert content_type(None) == ""
