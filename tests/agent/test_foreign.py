"""Which instrumentations of other packages are found in an environment."""

from pathlib import Path

from tracestitch.foreign import REPLACED, installed


def add(site: Path, folder: str, entries: str) -> None:
    (site / folder).mkdir()
    (site / folder / "entry_points.txt").write_text(entries)


def test_instrumentations_are_found_by_their_entry_points(tmp_path: Path) -> None:
    add(
        tmp_path,
        "opentelemetry_instrumentation_grpc-0.66b1.dist-info",
        "[console_scripts]\nother = a:b\n\n[opentelemetry_instrumentor]\n"
        "grpc_client = opentelemetry.instrumentation.grpc:GrpcInstrumentorClient\n"
        "grpc_server = opentelemetry.instrumentation.grpc:GrpcInstrumentorServer\n",
    )
    add(
        tmp_path,
        "opentelemetry_instrumentation_redis-0.66b1.dist-info",
        "[opentelemetry_instrumentor]\nredis = opentelemetry.instrumentation.redis:RedisInstrumentor\n",
    )
    add(tmp_path, "requests-2.0.dist-info", "[opentelemetry_instrumentor]\nx = y:z\n")
    found = {one.name: one for one in installed([str(tmp_path), str(tmp_path / "missing")])}
    assert sorted(found) == ["grpc_client", "grpc_server", "redis"]
    assert found["grpc_client"].waits_for == "grpc"
    assert found["grpc_server"].class_name == "GrpcInstrumentorServer"
    assert set(found) - REPLACED == {"grpc_client", "grpc_server"}


def test_a_package_without_entry_points_is_none(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry_instrumentation_old-0.1.dist-info").mkdir()
    assert not list(installed([str(tmp_path)]))
