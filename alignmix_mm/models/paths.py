"""Modules of a network by their dotted paths."""
import difflib

from torch import nn


def find_module(path: str, network: nn.Module, option: str) -> nn.Module:
    """Look up a module; the error for a wrong name lists similar names.

    Args:
        path (str): Dotted path inside the network.
        network (nn.Module): The network.
        option (str): Name of the option that the path comes from.

    Returns:
        nn.Module: The module.

    Raises:
        ValueError: If there is no such module.
    """
    modules = {name: module for name, module in network.named_modules(
        remove_duplicate=False) if name}
    if path in modules:
        return modules[path]
    # siblings first: 'layer4.7' probably means a block of layer4
    wanted = str(path).removeprefix('backbone.')
    parent = wanted.rpartition('.')[0]
    siblings = [name for name in modules if name.rpartition('.')[0] == parent]
    near = difflib.get_close_matches(wanted, siblings, n=6, cutoff=0)
    near += difflib.get_close_matches(wanted, modules, n=6)
    # wrappers: 'blocks.5' of TIMMBackbone is 'timm_model.blocks.5'
    within = [name for name in modules if name.endswith(f'.{wanted}')]
    near = list(dict.fromkeys([*within, *near]))[:8]
    raise ValueError(
        f'{option}={path!r} is not a module of {type(network).__name__}. '
        f'Similar names are {near}.')
