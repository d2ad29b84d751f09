"""Run something as soon as another module is imported, and not before."""
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

Action = Callable[[ModuleType], object]


def when_imported(name: str, action: Action) -> None:
    """Call a function with a module once that module has been imported.

    If it already has been, the function is called at once. So importing this
    package is fast, although MMPretrain takes seconds to import.

    Args:
        name (str): Full name of the module. It is not imported here.
        action (Callable): Called with the module.
    """
    module = sys.modules.get(name)
    if module is None or getattr(module.__spec__, '_initializing', False):
        _FINDER.actions.setdefault(name, []).append(action)
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
    else:
        action(module)


class _Finder(MetaPathFinder):
    """Uses the other finders for modules with actions."""

    def __init__(self) -> None:
        self.actions: dict[str, list[Action]] = {}

    def find_spec(self, name: str, path: Sequence[str] | None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module, and let its loader run the actions."""
        if name not in self.actions:
            return None
        others = (finder.find_spec(name, path, target)
                  for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in others if spec is not None), None)
        if spec is not None and spec.loader is not None:
            self._extend(spec.loader, name)
        return spec

    def _extend(self, loader: object, name: str) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            if module.__name__ == name:  # some loaders serve many modules
                for action in self.actions.pop(name, ()):
                    action(module)

        loader.exec_module = exec_module


_FINDER = _Finder()
