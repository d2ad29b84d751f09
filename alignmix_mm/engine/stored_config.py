"""Read the config that a checkpoint carries, without executing it.

MMEngine writes configs as Python code and executes them to read them. What
it writes are assignments of literals, so nothing has to be executed. A name in
``type`` is imported by the registries, wherever it is from, so only
registered classes are accepted.
"""
import ast
import math
from collections.abc import Iterator
from typing import Any

import mmengine.registry
import mmengine.runner  # noqa: F401  registers what is MMEngine's
import mmpretrain.registry
from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.utils import get_object_from_string

_NAMES = {'inf': math.inf, 'nan': math.nan}
# full paths of classes are looked up in these, nowhere else
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
        ValueError: If anything else is in it.
    """
    try:
        statements = ast.parse(text).body
        return Config(dict(_assignment(node) for node in statements))
    except (SyntaxError, RecursionError, MemoryError, TypeError,
            KeyError) as error:
        raise ValueError(f'This is no config of literals: {error}') from error


def check_types(part: dict | list) -> None:
    """Refuse a part of a config that names classes not registered here.

    Args:
        part (dict | list): What will be built.

    Raises:
        ValueError: If a ``type`` in it is not registered by MMEngine, MMCV,
            MMPretrain or this package.
    """
    by_name = registered_classes()
    classes = {id(cls) for cls in by_name.values()}
    for name in _types(part):
        if '.' not in name:
            known = name in by_name
        elif name.split('.')[0] in _PACKAGES:
            found = get_object_from_string(name)
            # None: `mmpretrain.ResNet`, a name with its scope
            known = (id(found) in classes if found is not None else
                     name.split('.')[-1] in by_name)
        else:
            known = False
        if not known:
            raise ValueError(f'{name} is not registered here.')


def registered_classes() -> dict[str, Any]:
    """All that the registries of the OpenMMLab stack know.

    Returns:
        dict[str, Any]: Classes and functions by their short names.
    """
    found: dict[str, Any] = {}
    todo = [entry for module in (mmengine.registry, mmpretrain.registry)
            for entry in vars(module).values() if isinstance(entry, Registry)]
    while todo:
        entry = todo.pop()
        entry.import_from_location()
        todo += entry.children.values()
        found.update(entry.module_dict)
    return found


def _types(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get('type'), str):
            yield value['type']
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _types(item)


def _assignment(node: ast.stmt) -> tuple[str, Any]:
    if not (isinstance(node, ast.Assign) and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)):
        raise ValueError(f'Line {node.lineno} is no assignment to a name.')
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
