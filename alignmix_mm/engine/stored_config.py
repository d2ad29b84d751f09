"""Read the config in a checkpoint without executing it.

MMEngine writes configs as Python code, and executes the code to read them.
This code consists of assignments of literals, so parsing is enough. Building
from a config can execute code too: a ``type`` is imported from any module, and
data sets unpickle files. So only registered classes are accepted, and no files
that can hold code.
"""
import ast
import math
import re
from collections.abc import Iterator
from typing import Any

import mmengine.registry
import mmengine.runner  # registers MMEngine's classes
import mmpretrain.registry
from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.utils import get_object_from_string

_NAMES = {'inf': math.inf, 'nan': math.nan}
# files that MMEngine or a data set unpickles, or may download
_CAN_EXECUTE = re.compile(r'://|\.(pkl|pickle|ya?ml|pt|pth|bin|npy)$', re.I)
# full paths of classes are looked up only in these packages
_PACKAGES = ('alignmix_mm', 'mmpretrain', 'mmcv', 'mmengine', 'torch',
             'torchvision')


def parse_config(text: str) -> Config:
    """Read a config that MMEngine wrote.

    Args:
        text (str): Assignments of literals and of ``dict(key=...)``, as in
            ``Config.pretty_text``.

    Returns:
        Config: The config. Its ``custom_imports`` are not imported.

    Raises:
        ValueError: If the text holds anything else.
    """
    try:
        statements = ast.parse(text).body
        found = Config(dict(_assignment(node) for node in statements))
    except (SyntaxError, RecursionError, MemoryError, TypeError,
            KeyError) as error:
        raise ValueError('Expected a config that consists of literals: '
                         f'{error}') from error
    if '_base_' in found:
        raise ValueError('Expected a complete config, but it inherits from '
                         'other files (_base_), which are not read.')
    return found


def check_stored(part: dict | list) -> None:
    """Refuse a part of a config if building it could execute code.

    Args:
        part (dict | list): The part to build.

    Raises:
        ValueError: If a ``type`` in it is not registered by MMEngine, MMCV,
            MMPretrain or this package, or if it names a URL or a type of
            file that can hold code.
    """
    known = registered()
    for key, value in _entries(part):
        if key == 'type' and not _is_registered(value, known):
            raise ValueError(f'{value} is not registered here.')
        if key == '_scope_' and value not in _PACKAGES:
            raise ValueError(f'{value} is not a scope of the OpenMMLab stack.')
        if key == 'trust_remote_code' or isinstance(
                value, str) and _CAN_EXECUTE.search(value):
            raise ValueError(f'{key}={value!r} can execute code.')


def _is_registered(name: Any, known: list[tuple[str, Any]]) -> bool:
    if not isinstance(name, str):
        return False
    root, dot, _ = name.partition('.')
    if dot and root not in _PACKAGES:
        return False
    found = get_object_from_string(name) if dot else None
    if found is None:  # a short name, perhaps with a scope
        last = name.split('.')[-1]
        return any(last == short for short, _ in known)
    return any(found is entry for _, entry in known)


def registered() -> list[tuple[str, Any]]:
    """List all entries of the registries of the OpenMMLab stack.

    Returns:
        list[tuple[str, Any]]: Short names with their classes or functions; a
        name can occur several times.
    """
    found: list[tuple[str, Any]] = []
    todo = [entry for module in (mmengine.registry, mmpretrain.registry)
            for entry in vars(module).values() if isinstance(entry, Registry)]
    while todo:
        entry = todo.pop()
        entry.import_from_location()
        todo += entry.children.values()
        found += entry.module_dict.items()
    return found


def _entries(value: Any, key: Any = None) -> Iterator[tuple[Any, Any]]:
    """All values that are not containers, with their nearest keys."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _entries(item, name)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _entries(item, key)
    else:
        yield key, value


def _assignment(node: ast.stmt) -> tuple[str, Any]:
    if not (isinstance(node, ast.Assign) and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)):
        raise ValueError(f'Line {node.lineno} is not an assignment to a name.')
    return node.targets[0].id, _value(node.value)


def _value(node: ast.expr) -> Any:
    """The value of a literal, of ``dict(key=...)``, ``inf`` or ``nan``."""
    match node:
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return dict(zip(map(_value, keys), map(_value, values)))
        case ast.List(elts=items):
            return [_value(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item) for item in items)
        case ast.Set(elts=items):
            return {_value(item) for item in items}
        case ast.Call(func=ast.Name(id='dict'), args=args, keywords=pairs) if (
                len(args) < 2 and all(pair.arg for pair in pairs)):
            given = _value(args[0]) if args else {}
            return dict(given, **{p.arg: _value(p.value) for p in pairs})
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Name(id=name)) if (
                name in _NAMES):
            return -_NAMES[name]
        case _:
            return _literal(node)


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise ValueError(f'Line {node.lineno} holds more than literals: '
                         f'{ast.unparse(node)[:60]}') from error
