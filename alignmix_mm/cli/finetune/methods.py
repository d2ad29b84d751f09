"""Find the method that `--method` names."""
import difflib
import inspect
import sys
from collections.abc import Sequence
from typing import NamedTuple

from mmpretrain.registry import BATCH_AUGMENTS

from ...mixing import MixMethod
from ..errors import describe

NONE = ('none', 'baseline')
#: Options without a default, or recommended by the authors of a method.
OPTIONS = {'Mixup': dict(alpha=1.), 'CutMix': dict(alpha=1.),
           'ResizeMix': dict(alpha=1.)}
#: Share of the batches that are mixed, if not all.
SHARES = {'CutMix': .5, 'SaliencyMix': .5, 'StyleCutMix': .5,
          'StyleMix': .2}
#: Options of the classifier: where a method mixes, unless at the neck.
PLACES = {'AlignMix': dict(mix_at='auto')}


class Method(NamedTuple):
    """What a config needs for a method.

    Attributes:
        train_cfg (dict, optional): ``train_cfg`` of the model; None without
            mixing.
        model (dict): Other options of the model.
    """

    train_cfg: dict | None
    model: dict


class Words(NamedTuple):
    """What messages call the flags of a command.

    Attributes:
        flag (str): The one that names a method.
        option (str): What options of a method begin with.
        others (Sequence[str]): Methods that the command has besides.
    """

    flag: str = '--method'
    option: str = ''
    others: Sequence[str] = ()


OF_TRAIN = Words()


def names() -> dict[str, str]:
    """List the registered methods.

    Returns:
        dict[str, str]: Class names by their lower-case form.
    """
    BATCH_AUGMENTS.import_from_location()
    return {name.lower(): name for name in sorted(BATCH_AUGMENTS.module_dict)}


def find_method(typed: str, options: dict | None = None,
                known_of_images: dict | None = None,
                words: Words = OF_TRAIN) -> Method:
    """Find a method.

    Args:
        typed (str): Its name in upper or lower case, or the start of it.
        options (dict, optional): Arguments of its class. Defaults to None.
        known_of_images (dict, optional): Arguments to fill in if the class
            requires them, such as ``mean`` and ``std``. Defaults to None.
        words (Words): Of the messages. Defaults to those of
            ``alignmix train``.

    Returns:
        Method: What a config needs for it. A mistake ends the process with
        one sentence.
    """
    word = typed.lower()
    if word in NONE:
        if options:
            sys.exit(f'{words.flag} {typed} has no options: leave out '
                     '--method-options.')
        return Method(None, {})
    known = names()
    found = [known[word]] if word in known else [
        name for key, name in known.items() if word and key.startswith(word)]
    if len(found) != 1:
        every = [*known, *words.others, *NONE]
        close = [name.lower() for name in found] or (
            difflib.get_close_matches(word, every, 1, .5))
        hint = f' Did you mean {" or ".join(close)}?' * bool(close)
        sys.exit(f'{words.flag} {typed} is not known.{hint} The methods are '
                 f'{", ".join(every)}.')
    name, = found
    kind = BATCH_AUGMENTS.get(name)
    needed = _needed(kind)
    given = {key: value for key, value in (known_of_images or {}).items()
             if key in needed}
    usual = OPTIONS.get(name, {})
    given.update(usual, **(options or {}))
    # MMPretrain's classes refuse the integer that one types
    given |= {key: float(given[key]) for key in usual
              if type(given[key]) is int}
    missing = [key for key in needed if key not in given]
    if missing:
        sys.exit(f'{words.flag} {typed} needs --method-options '
                 + ' '.join(f'{words.option}{key}=...' for key in missing))
    augment = dict(type=name, **given)
    try:
        BATCH_AUGMENTS.build(augment)
    except Exception as error:  # any class may raise anything
        sys.exit(f'{words.flag} {typed} does not accept {given}: '
                 f'{describe(error)}')
    train_cfg = dict(augments=[augment])
    if name in SHARES:
        train_cfg['probs'] = [SHARES[name]]
    executes = issubclass(kind, MixMethod)
    return Method(train_cfg, dict(
        type='AlignMixClassifier', **PLACES.get(name, {})) if executes else {})


def _needed(kind: type) -> list[str]:
    """Arguments without a default."""
    return [name for name, parameter in inspect.signature(
        kind).parameters.items()
        if parameter.default is parameter.empty and parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)]
