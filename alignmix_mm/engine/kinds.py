"""Find the class that a part of a config names, in whatever form."""
from contextlib import suppress
from typing import Any

from mmengine.registry import Registry


def class_of(part: Any, registry: Registry) -> Any:
    """Find the class that a part of a config is built from.

    A config can name a class in five ways: by a short name (``'ResNet'``), by
    a name with scope or module (``'mmpretrain.ResNet'``), by the class itself
    as in pure-Python configs, by None, or not at all.

    Args:
        part (Any): A dict with ``type``, the type itself, an object that is
            already built, or None.
        registry (Registry): Registry in which names are looked up.

    Returns:
        type, optional: The class (or function); None if there is none, or if
        its name is unknown.
    """
    kind = part.get('type') if isinstance(part, dict) else part
    if kind is None:
        return None
    if not isinstance(kind, str):
        return kind if callable(kind) and hasattr(kind, '__name__') else (
            type(kind))
    # MMEngine accepts 'mmpretrain.CheckpointHook' for its own class
    for name in dict.fromkeys((kind, kind.removeprefix(f'{registry.scope}.'))):
        with suppress(RuntimeError):  # raised for unknown names
            if (found := registry.get(name)) is not None:
                return found
    return None


def name_of(part: Any, registry: Registry) -> str:
    """Get the class name of a part of a config, for messages.

    Args:
        part (Any): See :func:`class_of`.
        registry (Registry): Registry in which names are looked up.

    Returns:
        str: The name; if it is unknown, as written in the config.
    """
    found = class_of(part, registry)
    if found is not None:
        return found.__name__
    return str(part.get('type') if isinstance(part, dict) else part)
