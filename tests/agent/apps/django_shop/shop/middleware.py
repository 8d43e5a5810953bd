from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse


class Overloaded(Exception):
    pass


def health(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info == "/healthz":
            return HttpResponse("fine")  # answers a probe by any host name
        return get_response(request)

    return middleware


class Explaining:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info == "/breaks-in-middleware":
            raise LookupError("the middleware is lost")
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, Overloaded):
            return JsonResponse({"detail": str(exception)}, status=503)
        return None
