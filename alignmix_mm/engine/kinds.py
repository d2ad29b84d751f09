"""What class a part of a config names, in whichever way it does."""
from contextlib import suppress
from typing import Any

from mmengine.registry import Registry


def class_of(part: Any, registry: Registry) -> Any:
    """Find the class that a part of a config is built from.

    A config can say it in five ways: by a short name (``'ResNet'``), by one
    with its scope or module (``'mmpretrain.ResNet'``), by the class itself as
    pure-Python configs do, by None, or not at all.

    Args:
        part (Any): A dict with ``type``, the type itself, something that is
            built already, or None.
        registry (Registry): Where names are looked up.

    Returns:
        type, optional: The class (or function); None if there is none, or
        nobody knows its name.
    """
    kind = part.get('type') if isinstance(part, dict) else part
    if kind is None:
        return None
    if not isinstance(kind, str):
        return kind if callable(kind) and hasattr(kind, '__name__') else (
            type(kind))
    # MMEngine builds 'mmpretrain.CheckpointHook', which is its own
    for name in dict.fromkeys((kind, kind.removeprefix(f'{registry.scope}.'))):
        with suppress(RuntimeError):  # MMEngine's if nobody knows it
            if (found := registry.get(name)) is not None:
                return found
    return None


def name_of(part: Any, registry: Registry) -> str:
    """Name of the class of a part of a config, for messages.

    Args:
        part (Any): See :func:`class_of`.
        registry (Registry): Where names are looked up.

    Returns:
        str: The name; as the config has it if nobody knows it.
    """
    found = class_of(part, registry)
    if found is not None:
        return found.__name__
    return str(part.get('type') if isinstance(part, dict) else part)
