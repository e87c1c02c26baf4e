"""Pulumi's property values on the wire: secrets are wrapped in an object under a signature key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf import json_format, struct_pb2

# pulumi/sdk/go/common/resource/sig
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (the mark of a secret, not one)
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Properties = dict[str, Any]


def from_struct(struct: struct_pb2.Struct) -> Properties:
    return dict(json_format.MessageToDict(struct))


def to_struct(properties: Properties) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(properties)
    return struct


def is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def secret(value: str) -> Properties:
    return {SIGNATURE: SECRET, "value": value}


def plain(value: Any) -> Any:
    """The value without its secret wrappers, at any depth."""
    if is_secret(value):
        return plain(value["value"])
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def holds_secret(value: Any) -> bool:
    """Whether any part of the value is secret."""
    return any(True for _ in secrets_in(value))


def secrets_in(value: Any) -> Iterator[str]:
    """Every text inside a secret wrapper."""
    if is_secret(value):
        yield from texts_in(plain(value["value"]))
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from secrets_in(inner)


def secrets_of(resource: Properties) -> Iterator[str]:
    """The secret texts of a resource, as far as they are nobody else's business.

    The SDK makes all of `connection` secret: the user and the address in it are not, or no error could name them. Nor
    are the lines of an old output; what made it secret is among the inputs.
    """
    for name, value in resource.items():
        if name == "connection":
            known = plain(value) if isinstance(plain(value), dict) else {}  # unknown in a preview, maybe
            for end in (known, known.get("proxy")):
                if isinstance(end, dict):
                    yield from (end[key] for key in ("password", "privateKey", "privateKeyPassword") if end.get(key))
        elif name not in ("stdout", "stderr"):
            yield from secrets_in(value)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_in(inner)


class Scrubber:
    """Takes secrets out of text that people will read; whole values, and each line of those that have several."""

    def __init__(self, secrets: Iterable[str]) -> None:
        pieces = {piece.strip() for text in secrets for piece in (text, *text.splitlines())}
        self._pieces = sorted((piece for piece in pieces if len(piece) > 3), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for piece in self._pieces:
            text = text.replace(piece, "[secret]")
        return text
