"""Marks for torch.compile that do not import the compiler.

``torch.compiler.disable`` and similar functions import all of
``torch._dynamo``, which takes as long as importing torch itself.
"""
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

import torch

from .._on_import import when_imported

Function = TypeVar('Function', bound=Callable[..., Any])


def constant_result(function: Function) -> Function:
    """Mark a function as ``torch.compiler.assume_constant_result`` does.

    Args:
        function (Callable): A function whose result does not depend on when
            a graph is compiled.

    Returns:
        Callable: The same function.
    """
    function._dynamo_marked_constant = True
    return function


def uncompiled(function: Function) -> Function:
    """Apply ``torch.compiler.disable`` once the compiler is imported.

    Args:
        function (Callable): A function of a module. It is replaced there, so
            the module must look it up by name at every call.

    Returns:
        Callable: The same function.
    """
    def disable(_: ModuleType) -> None:
        function.__globals__[function.__name__] = torch.compiler.disable(
            function)

    when_imported('torch._dynamo', disable)
    return function
