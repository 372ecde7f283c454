"""Read YAML as plain data, within limits: a few aliases can stand for gigabytes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

MOST_BYTES = 1_000_000  # of a text, as it is and with every alias written out
MOST_BITS = 1000  # of a number; Python itself does not print one of 15,000


class Limits(NamedTuple):
    """How large a text may be, as it is and with every alias written out.

    Attributes:
        size: characters.
        values: reading 5,000 takes a second, or some on a busy machine.
        depth: levels.
        plain: whether anchors, aliases and directives are refused.
    """

    size: int = MOST_BYTES
    values: int = 5_000
    depth: int = 20
    plain: bool = False


FILE = Limits()  # of a file that the user has written or chosen


class YamlError(ValueError):
    """A text is no plain data; the message continues the words `must be `."""


def read_text(path: Path) -> str:
    """Read a text file of at most `MOST_BYTES`.

    Raises:
        OSError, ValueError: it cannot be read, is larger, or is no UTF-8.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes")
    return content.decode("utf-8")


def read_yaml(text: str, limits: Limits = FILE) -> Any:
    """Read YAML 1.2 as plain data: lists, mappings, texts, numbers, booleans, null.

    A date stays a text. The limits hold while the text is read: no text costs more than they say.

    Raises:
        YamlError: the text is no YAML, has a tag or a duplicate key, or breaks a limit.
    """
    from ruamel.yaml.error import YAMLError

    if len(text) > limits.size:
        raise YamlError(f"at most {limits.size} characters of YAML, got {len(text)}")
    try:
        tree = _loader(limits).load(text)
    except YAMLError as error:
        raise YamlError(_problem(error)) from None
    except (ValueError, TypeError, ArithmeticError) as error:  # 5,000 digits; a list as a key
        if isinstance(error, YamlError):
            raise
        raise YamlError(f"valid YAML, got {str(error).splitlines()[0]}") from None
    check_limits(tree, limits)  # aliases may nest deeper than the text
    return tree


def check_limits(tree: Any, limits: Limits = FILE) -> None:
    """Refuse plain data of JSON or TOML that breaks the limits.

    Raises:
        YamlError: it does.
    """
    values: int = 0
    level: list[Any] = [[tree]]
    for _ in range(limits.depth + 1):
        parts = [p.values() if isinstance(p, dict) else p for p in level if _has_parts(p)]
        level = [value for part in parts for value in part]
        values += len(level)
        if any(isinstance(value, int) and value.bit_length() > MOST_BITS for value in level):
            raise YamlError(f"numbers of at most {MOST_BITS} bits, got a larger one")
    if any(map(_has_parts, level)):
        raise YamlError(f"at most {limits.depth} levels deep, got more")
    if values > limits.values:
        raise YamlError(f"at most {limits.values} values, got {values}")


def _has_parts(value: Any) -> bool:
    return isinstance(value, dict | list)


def _problem(error: Exception) -> str:
    problem = (str(getattr(error, "problem", None) or error).splitlines() or [""])[0]
    mark = getattr(error, "problem_mark", None)
    place = f", line {mark.line + 1}" if mark else ""
    return f"valid YAML without duplicate keys, got {problem}{place}"


def _loader(limits: Limits) -> Any:
    from ruamel.yaml import YAML

    loader: Any = YAML(typ="safe", pure=True)
    loader.Composer = _composer(limits)
    return loader


@cache
def _composer(limits: Limits) -> Any:
    """Make the class that composes within limits; ruamel is imported when a text is read."""
    from ruamel.yaml.composer import Composer
    from ruamel.yaml.events import AliasEvent, ScalarEvent

    class Limited(Composer):
        """Count values and characters as if every alias was written out."""

        def __init__(self, loader: Any = None) -> None:
            super().__init__(loader)
            self.warn_double_anchors = False
            self.level, self.size = 0, (0, 0)  # values, characters
            self.sizes: dict[str, tuple[int, int]] = {}  # of what an anchor stands for

        def compose_document(self) -> Any:
            event = self.parser.peek_event()
            if limits.plain and (event.version or event.tags):
                raise YamlError("YAML 1.2 without directives, got one that begins with %")
            return super().compose_document()

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.parser.peek_event()
            line, anchor, before = event.start_mark.line + 1, event.anchor, self.size
            if limits.plain and anchor is not None:
                raise YamlError(f"plain values without anchors, got {anchor!r}, line {line}")
            if isinstance(event, AliasEvent):
                if anchor in self.anchors and anchor not in self.sizes:
                    raise YamlError(f"finite, got an alias inside its own anchor, line {line}")
                self._grow(*self.sizes.get(anchor, (1, 0)), line)
                return super().compose_node(parent, index)
            if event.tag is not None:
                raise YamlError(f"plain values without tags, got {event.tag}, line {line}")
            if self.level >= limits.depth and not isinstance(event, ScalarEvent):
                raise YamlError(f"at most {limits.depth} levels deep, got more, line {line}")
            self.sizes.pop(anchor, None)
            self._grow(1, len(getattr(event, "value", "")), line)
            self.level += 1
            node = super().compose_node(parent, index)
            self.level -= 1
            if str(node.tag).endswith(":timestamp"):
                node.tag = "tag:yaml.org,2002:str"
            if anchor is not None:
                self.sizes[anchor] = self.size[0] - before[0], self.size[1] - before[1]
            return node

        def _grow(self, values: int, characters: int, line: int) -> None:
            self.size = self.size[0] + values, self.size[1] + characters
            for most, now, what in (
                (limits.values, self.size[0], "values"), (limits.size, self.size[1], "characters"),
            ):  # fmt: skip
                if now > most:
                    raise YamlError(
                        f"at most {most} {what} with aliases written out, got more, line {line}"
                    )

    return Limited
