"""Check that weights fit a network, and load them."""
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

# prefixes added by torch.compile and wrappers for several processes
_WRAPPERS = re.compile(r'^(module\.|_orig_mod\.)+')
_MISFIT = re.compile(r'size mismatch for (\S+): .*?(\[[^]]*\]).*?(\[[^]]*\])')
#: Parts of a classifier that predict. A file may hold other parts (a decoder,
#: the step count of an average) that the network lacks.
_PARTS = ('backbone', 'neck', 'head')
_SHOWN = 3


class WeightsError(ValueError):
    """Weights are missing, invalid, or do not fit the network."""


@dataclass(frozen=True)
class Misfits:
    """The entries that were not loaded.

    Attributes:
        missing (tuple[str, ...]): Entries of the network that the file lacks.
        unexpected (tuple[str, ...]): Entries of the file that the network
            lacks.
        shapes (tuple[str, ...]): Entries whose shapes differ, with both.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    shapes: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.shapes)

    def __str__(self) -> str:
        kinds = {'missing': self.missing, 'not in the network':
                 self.unexpected, 'of different shapes': self.shapes}
        return '; '.join(f'{len(names)} {kind} ({_some(names)})'
                         for kind, names in kinds.items() if names)


def state_dict_of(checkpoint: Any, source: str) -> OrderedDict[str, Tensor]:
    """Find the weights in a loaded checkpoint.

    Args:
        checkpoint (Any): A checkpoint of MMEngine, whose ``state_dict`` holds
            the averaged weights if there are any; or weights by name.
        source (str): Name of the file, for messages.

    Returns:
        OrderedDict[str, Tensor]: Weights by name, without prefixes of
        wrappers.

    Raises:
        WeightsError: If there are none.
    """
    found = (checkpoint.get('state_dict', checkpoint)
             if isinstance(checkpoint, dict) else checkpoint)
    if not isinstance(found, dict) or not any(
            isinstance(value, Tensor) for value in found.values()):
        held = (f'its entries are {_some(list(map(str, checkpoint)))}'
                if isinstance(checkpoint, dict) and checkpoint
                else f'it holds a {type(checkpoint).__name__}')
        raise WeightsError(
            f'{source} has no weights: expected named tensors, or a '
            f'`state_dict` of them, but {held}.')
    weights = OrderedDict((_WRAPPERS.sub('', key), value)
                          for key, value in found.items())
    if hasattr(found, '_metadata'):  # versions of layers
        weights._metadata = found._metadata
    return weights


def check_finite(weights: dict[str, Tensor], source: str) -> None:
    """Refuse weights that contain NaN.

    Args:
        weights (dict[str, Tensor]): Weights by name.
        source (str): Name of the file, for messages.

    Raises:
        WeightsError: If a weight contains NaN.
    """
    broken = [name for name, value in weights.items()
              if isinstance(value, Tensor) and value.is_floating_point()
              and bool(value.isnan().any())]
    if broken:
        raise WeightsError(
            f'{source} has NaN in {len(broken)} of {len(weights)} weights '
            f'({_some(broken)}), so it cannot predict. Use an earlier '
            'checkpoint.')


def load_weights(model: nn.Module, weights: OrderedDict[str, Tensor],
                 source: str, allow_partial: bool = False) -> Misfits:
    """Load all weights or, if allowed, those that fit.

    The file may lack counters and tables that a network computes itself, and
    may hold parts that the network lacks (the decoder of AlignMix/AE).

    Args:
        model (nn.Module): The network, changed in place.
        weights (OrderedDict[str, Tensor]): Result of :func:`state_dict_of`.
        source (str): Name of the file, for messages.
        allow_partial (bool): Whether weights that do not fit are skipped.
            Defaults to False.

    Returns:
        Misfits: The entries that were not loaded.

    Raises:
        WeightsError: If weights do not fit and ``allow_partial`` is False, if
            none fits, or if one contains NaN.
    """
    check_finite(weights, source)
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    misfits, loaded = _load(model, weights)
    if not loaded:
        raise WeightsError(
            f'{source} is from a different network: none of its '
            f'{len(weights)} weights fits. It has {_with_shapes(weights)}; '
            'the network has '
            f'{_with_shapes(model.state_dict())}. Use a checkpoint of this '
            'network, or the config of that one.')
    if misfits and not allow_partial:
        raise WeightsError(
            f'{source} does not fit the network: {misfits}. Use the config '
            'it was trained with. With --allow-partial, test, predict and '
            'export load only what fits and leave the rest random.')
    return misfits


def _load(model: nn.Module,
          weights: OrderedDict[str, Tensor]) -> tuple[Misfits, int]:
    """Load what fits; return the misfits and the number loaded."""
    seen = []
    # torch returns the keys only if all shapes fit; this hook gets them
    handle = model.register_load_state_dict_post_hook(
        lambda _, keys: seen.append(keys))
    shapes = []
    try:
        model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        shapes = _MISFIT.findall(str(error))
        if not shapes:
            raise
    finally:
        handle.remove()
    needed = {name for name, _ in model.named_parameters()}
    needed |= {name for name, _ in model.named_buffers()
               if name.endswith(('running_mean', 'running_var'))}
    absent = set(seen[-1].missing_keys)
    extra = [name for name in seen[-1].unexpected_keys
             if name.startswith(_PARTS) and _is_weight(weights.get(name))]
    misfits = Misfits(
        tuple(name for name in seen[-1].missing_keys if name in needed),
        tuple(extra),
        tuple(f'{name} {theirs} for {ours}' for name, theirs, ours in shapes))
    left = absent | {name for name, *_ in shapes}
    return misfits, len(needed - left)


def _is_weight(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _with_shapes(weights: dict[str, Tensor]) -> str:
    return _some([f'{name} {list(value.shape)}'
                  for name, value in weights.items()
                  if isinstance(value, Tensor)])


def _some(names: list[str] | tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ', '.join(names[:_SHOWN]) + (f' and {more} more' if more > 0
                                        else '')
