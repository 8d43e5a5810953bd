"""OTLP over gRPC: the three Export methods over bytes, without generated code and without reflection.

The synchronous server, since only it tells to which host (`:authority`) a call was addressed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import grpc

from tracestitch_collector import security
from tracestitch_collector.errors import BadConfiguration, Unavailable
from tracestitch_collector.receive import answers
from tracestitch_collector.receive.answers import RefusedError
from tracestitch_collector.receive.counters import Counters
from tracestitch_collector.receive.intake import Intake, Prepared
from tracestitch_collector.receive.limits import MAX_BYTES, MIB
from tracestitch_collector.receive.shapes import SIGNALS, Signal
from tracestitch_collector.settings import Settings

WORKERS = 8
"""Each may hold one message of MAX_BYTES; group commit makes few of them enough."""
USUAL_BYTES = 8 * MIB
COMMIT_S = 30.0

if TYPE_CHECKING:
    _GenericHandler = grpc.GenericRpcHandler[bytes, bytes]
else:
    _GenericHandler = grpc.GenericRpcHandler  # generic in its stubs only

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MethodHandler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"


class GrpcReceiver(_GenericHandler):
    """Serves the three methods; any other is UNIMPLEMENTED by gRPC itself."""

    def __init__(self, intake: Intake, counters: Counters, settings: Settings) -> None:
        self._intake = intake
        self._counters = counters
        self._token = settings.token
        self._names = security.allowed_names(settings)
        self._large = threading.Lock()
        self._methods = {signal.grpc_method: self._handler(signal) for signal in SIGNALS}

    def service(self, details: grpc.HandlerCallDetails) -> _MethodHandler | None:
        return self._methods.get(details.method)

    def _handler(self, signal: Signal) -> _MethodHandler:
        def export(bodies: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            try:
                self._check_caller(context)
                return answers.accepted_protobuf(self._take(signal, _received(bodies)))
            except RefusedError as error:
                refused = error
            except Exception as error:
                self._counters.fault(error)
                refused = RefusedError(
                    answers.INTERNAL, "a fault of the collector; nothing of this request was kept"
                )
            self._intake.refuse(signal.name, "grpc", refused)
            _abort(context, refused)

        # As a stream of one message, which is the same on the wire: of a unary call whose message never comes, because
        # it is too large, gRPC would not tell us anything, and it would go uncounted.
        return grpc.stream_unary_rpc_method_handler(export)

    def _check_caller(self, context: grpc.ServicerContext) -> None:
        if not security.is_allowed_host(_authority(context), self._names):
            raise RefusedError(answers.FOREIGN_HOST, security.FOREIGN_HOST)
        if self._token:
            metadata = dict(context.invocation_metadata())
            if not security.is_bearer(self._token, str(metadata.get("authorization", ""))):
                raise RefusedError(
                    answers.NO_TOKEN, "missing or wrong token: send metadata 'authorization: Bearer <token>'"
                )

    def _take(self, signal: Signal, body: bytes) -> answers.Accepted:
        prepared = self._prepared(signal, body)
        committed = self._intake.commit(prepared)
        if committed is not None:
            try:
                committed.result(timeout=COMMIT_S)
            except (Unavailable, TimeoutError) as error:
                raise RefusedError(answers.UNAVAILABLE, str(error) or "the disk is too slow") from error
        return self._intake.finish(prepared)

    def _prepared(self, signal: Signal, body: bytes) -> Prepared:
        """Large requests wait for each other instead of holding up the usual ones."""
        if len(body) <= USUAL_BYTES:
            return self._intake.prepare(signal, "grpc", body)
        with self._large:
            return self._intake.prepare(signal, "grpc", body)


def _received(bodies: Iterator[bytes]) -> bytes:
    """The one message of the call. gRPC itself answers where it is too large, before it is read."""
    try:
        return next(bodies)
    except (StopIteration, grpc.RpcError) as error:
        raise RefusedError(
            answers.NOT_RECEIVED, f"no message came, or one larger than {MAX_BYTES} bytes"
        ) from error


def _authority(context: grpc.ServicerContext) -> str:
    """gRPC has no public way to it; an installed version that lacks this one lets nobody in, and a test says so."""
    event = getattr(context, "_rpc_event", None)
    host = getattr(getattr(event, "call_details", None), "host", b"")
    return host.decode("latin-1") if isinstance(host, bytes) else str(host)


def _abort(context: grpc.ServicerContext, refused: RefusedError) -> NoReturn:
    context.set_trailing_metadata(answers.grpc_trailers(refused.reason, refused.message))
    context.abort(_CODES[refused.reason.code], refused.message)
    raise AssertionError  # abort raises; its stub does not say so


def serve(receiver: GrpcReceiver, host: str, port: int) -> tuple[grpc.Server, int]:
    """Starts serving; returns the server and its port."""
    server = grpc.server(
        ThreadPoolExecutor(WORKERS, thread_name_prefix="grpc"),
        handlers=[receiver],
        options=(
            ("grpc.max_receive_message_length", MAX_BYTES),
            ("grpc.max_send_message_length", 4 * MIB),
            ("grpc.max_metadata_size", 16 * 1024),
            ("grpc.max_concurrent_streams", 128),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.so_reuseport", 1),
        ),
    )
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise BadConfiguration(
            f"cannot listen on {address}: choose another --otlp-grpc-port (0 takes a free one)"
        ) from error
    server.start()
    return server, port
