"""Whether the weights of a checkpoint are those of a network."""
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

# what torch.compile and wrappers for several processes put before names
_WRAPPERS = re.compile(r'^(module\.|_orig_mod\.)+')
_MISFIT = re.compile(r'size mismatch for (\S+): .*?(\[[^]]*\]).*?(\[[^]]*\])')
#: Parts of a classifier that predict; others (a decoder, the average's step)
#: may be in a file that is loaded into a network without them.
_PARTS = ('backbone', 'neck', 'head')
_SHOWN = 3


class WeightsError(ValueError):
    """Weights do not fit the network, or are no weights."""


@dataclass(frozen=True)
class Misfits:
    """What was not loaded.

    Attributes:
        missing (tuple[str, ...]): Entries of the network that the file lacks.
        unexpected (tuple[str, ...]): Entries of the file that the network
            lacks.
        shapes (tuple[str, ...]): Entries of different shapes, with both.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    shapes: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.shapes)

    def __str__(self) -> str:
        kinds = {'missing': self.missing, 'not in the network':
                 self.unexpected, 'of other shapes': self.shapes}
        return '; '.join(f'{len(names)} {kind} ({_some(names)})'
                         for kind, names in kinds.items() if names)


def state_dict_of(checkpoint: Any, source: str) -> OrderedDict[str, Tensor]:
    """Find the weights in what a file holds.

    Args:
        checkpoint (Any): What was loaded: a checkpoint of MMEngine, whose
            ``state_dict`` holds the averaged weights if there are any, or
            weights by name.
        source (str): Name of the file, for messages.

    Returns:
        OrderedDict[str, Tensor]: Weights, without the prefixes of wrappers.

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
            f'{source} has no weights: expected tensors by name, or a '
            f'`state_dict` of them, but {held}.')
    weights = OrderedDict((_WRAPPERS.sub('', key), value)
                          for key, value in found.items())
    if hasattr(found, '_metadata'):  # versions of layers
        weights._metadata = found._metadata
    return weights


def check_finite(weights: dict[str, Tensor], source: str) -> None:
    """Refuse weights that predict nothing.

    Args:
        weights (dict[str, Tensor]): Weights by name.
        source (str): Name of the file, for messages.

    Raises:
        WeightsError: If some of them are NaN.
    """
    broken = [name for name, value in weights.items()
              if isinstance(value, Tensor) and value.is_floating_point()
              and bool(value.isnan().any())]
    if broken:
        raise WeightsError(
            f'{source} has NaN in {len(broken)} of {len(weights)} weights '
            f'({_some(broken)}), so it can predict nothing. Take an earlier '
            'checkpoint.')


def load_weights(model: nn.Module, weights: OrderedDict[str, Tensor],
                 source: str, allow_partial: bool = False) -> Misfits:
    """Load weights, all of them or, if that is allowed, those that fit.

    Counters and tables that a network computes by itself may be missing, and
    parts that it does not have (the decoder of AlignMix/AE) may be there.

    Args:
        model (nn.Module): The network, changed in place.
        weights (OrderedDict[str, Tensor]): Of :func:`state_dict_of`.
        source (str): Name of the file, for messages.
        allow_partial (bool): Whether some weights may be left as they are.
            Defaults to False.

    Returns:
        Misfits: What was not loaded.

    Raises:
        WeightsError: If weights do not fit, if none does, or if they are NaN.
    """
    check_finite(weights, source)
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    misfits, loaded = _load(model, weights)
    if not loaded:
        raise WeightsError(
            f'{source} is of a different network: none of its {len(weights)} '
            f'weights fits. It has {_with_shapes(weights)}; the network has '
            f'{_with_shapes(model.state_dict())}.')
    if misfits and not allow_partial:
        raise WeightsError(
            f'{source} does not fit the network: {misfits}. Give the config '
            'that it was trained with; test, predict and export take the rest '
            'with --allow-partial, and leave these at random.')
    return misfits


def _load(model: nn.Module,
          weights: OrderedDict[str, Tensor]) -> tuple[Misfits, int]:
    """Load what fits; what does not, and how many parameters were loaded."""
    seen = []
    # torch tells the keys only if all shapes fit, but it tells this hook
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
