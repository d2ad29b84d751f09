"""Load the names of a package when they are first used (PEP 562)."""
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def exports(**modules: Sequence[str]) -> dict[str, str]:
    """Turn names by module into the module of each name.

    Args:
        **modules: Names that a module exports, by its path below the package,
            with ``__`` for a dot.

    Returns:
        dict[str, str]: ``name: '.module'``.
    """
    return {name: '.' + module.replace('__', '.')
            for module, names in modules.items() for name in names}


def loader(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a package.

    Args:
        package (str): Its ``__name__``.
        names (Mapping[str, str]): Relative module of each name.

    Returns:
        Callable: Loads a name; unknown names raise ``AttributeError``.
    """
    def __getattr__(name: str) -> Any:
        if name not in names:
            raise AttributeError(
                f'module {package!r} has no attribute {name!r}')
        return getattr(importlib.import_module(names[name], package), name)

    return __getattr__
