"""A synthesized template, read by construct path instead of by generated id, so that tests say what a reader would.

`State/Table` stands for a resource, its Ref and its ARN alike; text joined to it is kept: `State/Table/index/sweep`.
"""

import re
from collections.abc import Iterator
from typing import Any


class Template:
    """The resources of one stage."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self._paths = {key: _path(resource) for key, resource in body["Resources"].items()}

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of all resources of an AWS type, by construct path."""
        found = self._resources(kind)
        return {self._paths[key]: resource.get("Properties", {}) for key, resource in found}

    def resource(self, path: str) -> dict[str, Any]:
        """A whole resource, with its deletion policy, by construct path."""
        key = next(key for key, found in self._paths.items() if found == path)
        resource: dict[str, Any] = self.body["Resources"][key]
        return resource

    def text(self, value: Any) -> str:
        """A property as text, with every reference written as the path of what it refers to."""
        match value:
            case str():
                return value
            case {"Ref": name}:
                return self._paths.get(name, f"<{name}>")
            case {"Fn::GetAtt": [name, attribute]}:
                return self._paths[name] + ("" if attribute in {"Arn", "StreamArn"} else f".{attribute}")
            case {"Fn::Join": [separator, parts]}:
                return str(separator).join(self.text(part) for part in parts)
        raise AssertionError(f"no way to read {value!r}")

    def named(self, text: str) -> str:
        """Text with the paths of resources in place of their generated ids, as in `<State/Bucket.Arn>`."""
        return re.sub(r"(?<=<)\w+", lambda found: self._paths.get(found[0], found[0]), text)

    def _resources(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        return ((key, found) for key, found in self.body["Resources"].items() if found["Type"] == kind)


def as_list(value: Any) -> list[Any]:
    """A policy's one-or-many field as a list."""
    return value if isinstance(value, list) else [value]


def _path(resource: dict[str, Any]) -> str:
    path: str = resource["Metadata"]["aws:cdk:path"]
    return path.split("/", 1)[1].removesuffix("/Resource")
