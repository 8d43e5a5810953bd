"""Clients that go away before they have their answer: how frameworks say so. It is no error of the app."""

ATTRIBUTE = "tracestitch.client.disconnected"
_SAY_SO = frozenset(
    {
        ("django.http.request", "UnreadablePostError"),
        ("django.core.exceptions", "RequestAborted"),
        ("werkzeug.exceptions", "ClientDisconnected"),
        ("starlette.requests", "ClientDisconnect"),
    }
)


def is_disconnect(error: BaseException) -> bool:
    """Asked of an error that left the framework, or that it answers."""
    return any((kind.__module__, kind.__name__) in _SAY_SO for kind in type(error).__mro__)
