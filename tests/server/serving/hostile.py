"""What hostile requests are made of: names, values, parameters, and the operations of a server they are sent to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.server.serving.server_process import ServedHere

JSON: Final = "application/json"
NAMES: Final[dict[str, str]] = {
    "parent": "..",
    "traversal": "../../../../etc/passwd",
    "encoded": "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "twice encoded": "%252e%252e%252f",
    "absolute": "/etc/passwd",
    "drive": "C:\\windows\\system32",
    "backslash": "..\\..\\evil",
    "NUL": "evil\0.txt",
    "control": "evil\r\nx-evil: 1\x1b[31m",
    "direction": "\u202eevil",
    "look-alike": "\u0430cme",
    "wide": "\uff0e\uff0e\uff0fevil",
    "not normal": "e\u0301vil",
    "surrogate": "\ud800",
    "device": "CON",
    "space": "evil. ",
    "long": "x" * 4096,
    "10 kB": "y" * 10_240,
    "reserved": "pg_catalog",
    "path": "executions",
    "SQL": "x'; DROP TABLE runs; --",
    "quote": 'a"b',
    "template": "{{7*7}}${7*7}",
    "shell": "$(id)`id`",
    "script": "<script>alert(1)</script>",
    "pointer": "~0~1~2",
    "empty": "",
}
SQL_TEXTS: Final = (
    "'", "';--", "' OR '1'='1", '"; DROP TABLE runs; --', "%", "_", "%%", "\\", "\\%", "a%' ESCAPE '!", "$.a", "$..*",
    "{}", "pg_sleep(9)", "(SELECT 1)", "NULL", "\0", "\u202e", "1; SELECT 1", "status; DROP", ":name", "%(x)s", "$1",
)  # fmt: skip
NUMBERS: Final = ("-1", "1e9", "1e400", "NaN", "Infinity", "0x10", "1.5", "9" * 30, "\uff11", "", " 1", "1;2", "null")
ENDLESS: Final = {"stream_execution", "stream_hints"}
"""answers that do not end, but for an error"""


@dataclass(frozen=True)
class Operation:
    """An operation in a tenant.  `body`: the example of its body in JSON, None without one."""

    id: str
    method: str
    template: str
    description: dict[str, Any]
    body: Any

    def path(self, tenant_name: str, /, **values: str) -> str:
        """The path with parameters that are percent-encoded as a whole, or those of the description."""
        examples = {
            one["name"]: one["schema"].get("examples", ["x"])[0]
            for one in self.description.get("parameters", ())
            if one["in"] == "path"
        }
        found = {**examples, "tenant": tenant_name, **values}
        return re.sub(r"\{(\w+)\}", lambda match: percent(found[match[1]]), self.template)

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.template)

    def queried(self) -> list[str]:
        return [one["name"] for one in self.description.get("parameters", ()) if one["in"] == "query"]


def percent(text: str) -> str:
    """Percent-encode all of a text."""
    return "".join([f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass")])


def operations_of(served: ServedHere) -> list[Operation]:
    """The operations in a tenant."""
    with served.stranger() as client:
        paths = client.get("/openapi.json").json()["paths"]
    found = [
        Operation(
            one["operationId"], method.upper(), path, one,
            one.get("requestBody", {}).get("content", {}).get(JSON, {}).get("example"),
        )
        for path, all_ in paths.items()
        for method, one in all_.items()
        if "{tenant}" in path
    ]  # fmt: skip
    assert len(found) > 70
    return found


def with_text(body: Any, text: str) -> Iterator[Any]:
    """Iterate over copies of a body, in each of which one text, or one name of a field, is another one."""
    if isinstance(body, str):
        yield text
    elif isinstance(body, dict):
        for name, value in body.items():
            yield from ({**body, name: other} for other in with_text(value, text))
        yield {**body, text: "x"}
    elif isinstance(body, list):
        for at, value in enumerate(body):
            yield from ([*body[:at], other, *body[at + 1 :]] for other in with_text(value, text))


def make_tenant(served: ServedHere, name: str) -> httpx.Client:
    """Make a tenant, and a client with a key of its administrator."""
    with served.client() as god:
        assert god.post("/v1/tenants", json={"name": name}).status_code == 201
        made = god.post(f"/v1/tenants/{name}/keys", json={"name": "admin", "role": "admin"})
    return served.client(made.json()["key"])


def assert_typed(answer: httpx.Response, where: object) -> None:
    """It is a good answer, or an error of the caller with a code; nothing of the machine is in it."""
    assert answer.status_code < 500, (where, answer.text[:500])
    assert "root:x:0" not in answer.text, where
    assert "Traceback" not in answer.text or answer.status_code < 400, where
    assert "x-evil" not in answer.headers, where
    if answer.status_code >= 400:
        body = answer.json()
        assert body["code"], where
        assert body["request_id"] == answer.headers["x-request-id"], where
