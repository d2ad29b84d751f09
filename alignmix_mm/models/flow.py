"""The operations after each module of a network, from the graph of one pass.

The pass computes only shapes: no values, no random numbers, no statistics.
Autograd keeps the graph of its operations.
"""
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import Node
from torch.nn.modules.module import register_module_forward_hook

from .trace import without_trace

BATCH = 2
# Operations of autograd that combine positions of a map or of tokens. Autograd
# does not see inside a checkpointed part, which counts as one combining block.
_COMBINE = ('Bmm', 'Baddbmm', 'ScaledDotProduct', 'Softmax', 'MaxPool',
            'Im2Col', 'Roll', 'GridSampler', 'Upsample', 'Fft', 'Index',
            'Gather', 'CheckpointFunction')
_MAXIMUM = ('Amax', 'MaxBackward', 'AdaptiveMaxPool')
# Means over positions, and the choice of one position, such as a class token.
_REDUCE = ('Mean', 'Sum', 'AvgPool', 'AdaptiveAvgPool', 'Select', 'Slice',
           'Index')
Edge = tuple[Node, int]


class Output(NamedTuple):
    """Output of a module in the pass.

    Attributes:
        edge (tuple[Node, int]): The operation that made it, and the index
            among the outputs of this operation.
        shape (tuple[int, ...]): ``(B, C, H, W)`` or ``(B, N, C)``.
    """

    edge: Edge
    shape: tuple[int, ...]


class Flow:
    """The operations from the images to the end, and what all features pass.

    Args:
        ends (Sequence[Tensor]): Outputs of the network.
        source (Tensor): The images.
        outputs (dict[str, Output]): Outputs of its modules, in the order of
            the pass.
        rejected (dict[str, str]): Modules that ran without a usable output,
            and why.
    """

    def __init__(self, ends: Sequence[Tensor], source: Tensor,
                 outputs: dict[str, Output],
                 rejected: dict[str, str]) -> None:
        self.ends = [tuple(end.shape) for end in ends]
        self.outputs = outputs
        self.rejected = rejected
        # from the last operation to the first
        self._nodes = _between(source, ends)
        self._index = _bottlenecks(self._nodes, ends)

    def share_after(self, output: Output) -> float | None:
        """Share of the operations after an output, in [0, 1].

        Args:
            output (Output): Output of a module.

        Returns:
            float, optional: None if some features bypass it.
        """
        index = self._index.get(output.edge)
        return None if index is None else index / len(self._nodes)

    def combining(self, output: Output, positions: int) -> int:
        """Count the operations after an output that combine its positions.

        Args:
            output (Output): An output that all features pass.
            positions (int): Number of its positions.

        Returns:
            int: The number. If it is 0, positions are at most averaged.
        """
        after = self._nodes[:self._index[output.edge]]
        carrying, count = {output.edge[0]}, 0
        for node in reversed(after):
            if not any(child in carrying for child, _ in node.next_functions):
                continue
            combines = _combines(node, positions)
            count += combines
            if combines or not _reduces(node, positions):
                carrying.add(node)
        return count


def follow(network: nn.Module, run: Callable[[Tensor], Any],
           shape: Sequence[int], device: torch.device,
           whole: nn.Module) -> Flow:
    """Pass images without values through a network.

    Args:
        network (nn.Module): The network whose modules are recorded.
        run (Callable): Maps images to tensors, using the network.
        shape (Sequence[int]): Shape of an image, ``(C, H, W)``.
        device (torch.device): Device of the network.
        whole (nn.Module): All modules that ``run`` uses; they are unchanged
            afterwards.

    Returns:
        Flow: The operations of the pass.
    """
    names = {module: name for name, module in network.named_modules() if name}
    calls: dict[str, list[Output | str]] = {}

    def record(module: nn.Module, args: tuple, output: Any) -> None:
        # now, because in-place operations will change its graph
        if module in names:
            calls.setdefault(names[module], []).append(_look_at(output))

    hook = register_module_forward_hook(record)
    logger = logging.getLogger(FakeTensorMode.__module__)
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # errors are raised, not printed
    try:
        with (without_trace(whole), torch.enable_grad(),
              FakeTensorMode(allow_non_fake_inputs=True)):
            images = torch.empty((BATCH, *shape), device=device,
                                 requires_grad=True) * 1
            ends = [end for end in _tensors(run(images))
                    if end.grad_fn is not None]
    finally:
        hook.remove()
        logger.setLevel(level)
    seen = {name: looks[0] if len(looks) == 1 else f'it ran {len(looks)} times'
            for name, looks in calls.items()}
    outputs, rejected = ({
        name: look for name, look in seen.items() if isinstance(look, kind)
    } for kind in (Output, str))
    return Flow(ends, images, outputs, rejected)


def describe(tensor: Tensor) -> Output:
    """Describe a tensor of the pass.

    Args:
        tensor (Tensor): The tensor.

    Returns:
        Output: Its origin and its shape.
    """
    return Output((tensor.grad_fn, tensor.output_nr), tuple(tensor.shape))


def _between(source: Tensor, ends: Sequence[Tensor]) -> list[Node]:
    """Operations that depend on the source, from the last to the first."""
    inputs, todo = {}, [end.grad_fn for end in ends]
    while todo:
        node = todo.pop()
        if node not in inputs:
            inputs[node] = [child for child, _ in node.next_functions
                            if child is not None]
            todo += inputs[node]
    depend = {source.grad_fn: None}  # in the order of the pass
    for node in TopologicalSorter(inputs).static_order():
        if any(child in depend for child in inputs[node]):
            depend[node] = None
    return list(reversed(depend))


def _bottlenecks(nodes: Sequence[Node],
                 ends: Sequence[Tensor]) -> dict[Edge, int]:
    """Outputs that all features pass, and how many operations follow them."""
    depend = set(nodes)
    ahead = {describe(end).edge for end in ends if end.grad_fn in depend}
    found = {}
    for index, node in enumerate(nodes):
        if len(ahead) == 1:
            found[next(iter(ahead))] = index
        ahead = {edge for edge in ahead if edge[0] is not node}
        ahead |= {edge for edge in node.next_functions if edge[0] in depend}
    return found


def _combines(node: Node, positions: int) -> bool:
    name = node.name()
    if name.startswith('Convolution'):
        return math.prod(node._saved_weight.shape[2:]) > 1
    if name.startswith('AvgPool'):
        return (math.prod(node._saved_kernel_size) > 1
                and not _reduces(node, positions))
    if name.startswith(_MAXIMUM):
        return _shrinks(node) >= positions
    for start, saved in (('Addmm', 'mat1'), ('Mm', 'self')):
        if name.startswith(start):
            # a layer on each position has a row for each; one that combines
            # positions has all of them in its inputs
            rows, inputs = getattr(node, f'_saved_{saved}_sym_sizes')
            return inputs % positions == 0 and rows != BATCH * positions
    return name.startswith(_COMBINE) and not _reduces(node, positions)


def _reduces(node: Node, positions: int) -> bool:
    return node.name().startswith(_REDUCE) and _shrinks(node) >= positions


def _shrinks(node: Node) -> float:
    """Size of the first input divided by that of the output."""
    child, number = next(edge for edge in node.next_functions if edge[0])
    return (math.prod(child._input_metadata[number].shape) /
            math.prod(node._input_metadata[0].shape))


def _look_at(output: Any) -> Output | str:
    """The part of an output that :class:`MixPlace` mixes, or why it cannot."""
    tensors = list(_tensors(output))
    first = output[0] if isinstance(output, (tuple, list)) and output else (
        output)
    if len(tensors) == 1 and tensors[0] is first and (
            first.ndim in (3, 4) and first.grad_fn is not None):
        return describe(first)
    shapes = ', '.join(str(tuple(tensor.shape)) for tensor in tensors)
    return f'no map or tokens: it returned {type(output).__name__} {shapes}'


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, dict):
        yield from _tensors(list(output.values()))
    elif isinstance(output, (tuple, list)):
        for part in output:
            yield from _tensors(part)
