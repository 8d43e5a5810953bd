"""Old OpenTelemetry attribute names and the stable ones they are stored under. A sender that sends both keeps
both: the old value then stays under its old name.
"""

from __future__ import annotations

from collections.abc import Mapping

from tracestitch_collector.model import AttributeValue

RENAMED: Mapping[str, str] = {
    "http.method": "http.request.method",
    "http.status_code": "http.response.status_code",
    "http.request_content_length": "http.request.body.size",
    "http.response_content_length": "http.response.body.size",
    "http.resend_count": "http.request.resend_count",
    "http.url": "url.full",
    "http.scheme": "url.scheme",
    "http.client_ip": "client.address",
    "http.user_agent": "user_agent.original",
    "http.flavor": "network.protocol.version",
    "http.server_name": "server.address",
    "net.host.name": "server.address",
    "net.host.port": "server.port",
    "net.peer.name": "server.address",
    "net.peer.port": "server.port",
    "net.peer.ip": "network.peer.address",
    "net.sock.peer.addr": "network.peer.address",
    "net.sock.peer.port": "network.peer.port",
    "net.sock.host.addr": "network.local.address",
    "net.sock.host.port": "network.local.port",
    "net.protocol.name": "network.protocol.name",
    "net.protocol.version": "network.protocol.version",
    "db.statement": "db.query.text",
    "db.system": "db.system.name",
    "db.name": "db.namespace",
    "db.operation": "db.operation.name",
    "db.sql.table": "db.collection.name",
    "db.mongodb.collection": "db.collection.name",
    "messaging.destination": "messaging.destination.name",
    "messaging.message_id": "messaging.message.id",
    "messaging.operation": "messaging.operation.type",
    "code.filepath": "code.file.path",
    "code.lineno": "code.line.number",
    "code.function": "code.function.name",
    "deployment.environment": "deployment.environment.name",
}

DATABASES: Mapping[str, str] = {
    "mssql": "microsoft.sql_server",
    "oracle": "oracle.db",
    "db2": "ibm.db2",
    "dynamodb": "aws.dynamodb",
    "redshift": "aws.redshift",
}
"""Values of db.system that were renamed with the key."""


def stable(key: str, value: AttributeValue) -> tuple[tuple[str, AttributeValue], ...]:
    """The stable name or names of an attribute that came under an old one; empty where the name is no old one."""
    if key == "http.target" and isinstance(value, str):
        path, mark, query = value.partition("?")
        return (("url.path", path), ("url.query", query)) if mark else (("url.path", path),)
    name = RENAMED.get(key)
    if name is None:
        return ()
    if key == "db.system" and isinstance(value, str):
        value = DATABASES.get(value, value)
    return ((name, value),)
