"""The keys of a study file as Markdown tables, from the schema that editors read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sweep.spec.study import StudySpec, identity_of, schema

Node = dict[str, Any]
HEAD = ("key", "type", "default", "range", "what it does", "only with")
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
WORDS = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false"}
UNIONS = {"model": "kind", "training": "optimizer"}  # sections that have a form for each of these
MUST = "must be given"


@dataclass
class Key:
    """One key; `only` names the forms of its section that have it, where not all have."""

    path: str
    node: Node
    only: tuple[str, ...] = ()


def tables() -> str:
    """Return a table for the keys at the top and one for each section."""
    tree = schema()
    top = [Key(name, node) for name, node in tree["properties"].items()]
    plain = [key for key in top if not _forms(key.node, tree)]
    blocks = ["## At the top", _table(plain)]
    for key in top:
        if _forms(key.node, tree):
            about = key.node.get("description") or _forms(key.node, tree)[0]["description"]
            blocks += [f"## {key.path}", about, _table(list(_keys(key, tree)))]
    return "\n\n".join(blocks)


def _forms(node: Node, tree: Node) -> list[Node]:
    """Return the objects that a key may hold: none, or one, or one for each form."""
    parts = [part for each in (node, *_named(node)) for part in (each, *_branches(each))]
    items = [part["items"] for part in parts if "items" in part]
    parts += [part for each in items for part in (each, *_branches(each))]
    refs = [part["$ref"] for part in parts if "$ref" in part]
    return [tree["$defs"][ref.rpartition("/")[2]] for ref in refs]


def _named(node: Node) -> list[Node]:
    """Return what stands under names of the user's own, such as columns of a table."""
    parts = (part.get("additionalProperties") for part in (node, *_branches(node)))
    return [part for part in parts if isinstance(part, dict)]


def _branches(node: Node) -> list[Node]:
    found: list[Node] = node.get("anyOf") or node.get("oneOf") or []
    return found


def _keys(section: Key, tree: Node, prefix: str = "") -> Iterator[Key]:
    forms = _forms(section.node, tree)
    names = dict.fromkeys(name for form in forms for name in form["properties"])
    for name in names:
        having = [form for form in forms if name in form["properties"]]
        node = _merged([form["properties"][name] for form in having])
        rest = len(having) < len(forms)
        key = Key(prefix + name, node, tuple(_form(section.path, f) for f in having if rest))
        yield key
        yield from _keys(key, tree, f"{prefix}{name}.{'NAME.' * bool(_named(node))}")


def _merged(nodes: list[Node]) -> Node:
    """Return the key as all forms have it; its choices are those of all."""
    choices = [str(node["const"]) for node in nodes if "const" in node]
    if len(choices) < 2:
        defaults = [node["default"] for node in nodes if "default" in node]
        others = [value for value in defaults if value != defaults[0]]
        return nodes[0] | ({"others": others[:1]} if others else {})
    return {
        "enum": choices,
        "default": next(node["default"] for node in nodes if "default" in node),
        "description": " ".join(f"{n['const']}: {n['description']}" for n in nodes),
    }


def _form(section: str, form: Node) -> str:
    name = form["properties"].get(UNIONS.get(section, ""), {}).get("const")
    return f"{UNIONS[section]} {name}" if name else f"a {section} of your own"


def _table(keys: list[Key]) -> str:
    rows = [HEAD, ("---",) * len(HEAD), *map(_row, keys)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def _row(key: Key) -> tuple[str, ...]:
    about, _, only = key.node.get("description", "").partition("Only with ")
    owners = ", ".join(filter(None, (" or ".join(key.only), only.rstrip("."))))
    defaults = [key.node.get("default", MUST), *key.node.get("others", [])]
    return (
        f"`{key.path}`", _type(key.node), " or ".join(map(_default, defaults)), _range(key.node),
        about.strip().replace("|", "\\|"), owners,
    )  # fmt: skip


def _type(node: Node) -> str:
    if "enum" in node:
        return " ".join(f"`{choice}`" for choice in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    if node.get("type") == "array":
        parts = node.get("prefixItems") or [node["items"]]
        return (
            f"{len(parts)} numbers"
            if "prefixItems" in node
            else f"list of {_type(parts[0]).removesuffix('s')}s"
        )
    if branches := [part for part in _branches(node) if part.get("type") != "null"]:
        return " or ".join(map(_type, branches))
    return WORDS.get(node.get("type", ""), "keys")


def _default(value: Any) -> str:
    if value == MUST:
        return MUST
    if isinstance(value, dict):
        return "see its keys"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _range(node: Node) -> str:
    parts = [node, *_branches(node), *node.get("prefixItems", []), node.get("items") or {}]
    limits = [
        (sign, part[name]) for part in parts for name, sign in LIMITS.items() if name in part
    ]
    found = [f"{sign} 2^63" if n == 2**63 else f"{sign} {n:,g}" for sign, n in limits]
    if "maxLength" in node:
        found.append(f"up to {node['maxLength']} characters")
    return ", ".join(dict.fromkeys(found))


def changeable() -> str:
    """Return the keys that may change between two runs of one study."""
    whole = StudySpec(study_name="any").model_dump(mode="json")
    kept = identity_of(whole)
    found = []
    for name, part in whole.items():
        if isinstance(part, dict) and name in kept:
            found += [f"{name}.{key}" for key in part if key not in kept[name]]
        elif name not in kept | {"study_name": ""}:  # another name is another study
            found.append(name)
    return ", ".join(f"`{key}`" for key in found)
