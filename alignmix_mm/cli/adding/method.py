"""Add a mixing method to a config."""
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmpretrain.models.heads import LinearClsHead, MultiLabelClsHead
from mmpretrain.models.losses import CrossEntropyLoss
from mmpretrain.registry import BATCH_AUGMENTS, MODELS

from ...engine.kinds import class_of
from ...mixing import MixMethod

ALIGNMIX = dict(type='AlignMix', alpha=2.0)
SCOPE = 'mmpretrain'


def add_method(cfg: Config, method: dict | None = None,
               num_classes: int | None = None, **model: Any) -> Config:
    """Add a mixing method to the config of a classifier.

    Args:
        cfg (Config): The config, which is not changed. It may name classes
            in any way (short names, full paths or the classes themselves).
        method (dict, optional): A batch augmentation from this package or
            MMPretrain. Defaults to None, which means AlignMix.
        num_classes (int, optional): Number of classes for one-hot labels if
            neither the head nor the preprocessor sets it. Defaults to None.
        **model: More settings of the model, such as ``mix_at='auto'``.

    Returns:
        Config: The new config.
    """
    new = cfg.copy()
    new.merge_from_dict(method_delta(cfg, method, num_classes, **model))
    return new


def method_delta(cfg: Config, method: dict | None = None,
                 num_classes: int | None = None,
                 **model: Any) -> dict[str, Any]:
    """Find the settings that an inheriting config has to change.

    Args:
        cfg (Config): The base config.
        method (dict, optional): See :func:`add_method`.
        num_classes (int, optional): See :func:`add_method`.
        **model: See :func:`add_method`.

    Returns:
        dict: Settings to merge into the config, with ``_delete_`` where a
        setting has to be replaced completely.
    """
    method = dict(method or ALIGNMIX)
    kind = class_of(method, BATCH_AUGMENTS)
    ours = isinstance(kind, type) and issubclass(kind, MixMethod)
    parts: dict[str, Any] = {}
    if ours and kind.needs_model:
        parts['type'] = _name(cfg, 'AlignMixClassifier')
    parts |= model
    head = {**_soft_labels(cfg), **parts.pop('head', {})}
    if head:
        parts['head'] = head
    if ours and kind.__module__.startswith('alignmix_mm.'):
        method['type'] = _name(cfg, kind.__name__)
    # merging would keep the `probs` of other methods
    parts['train_cfg'] = _instead(cfg.model, 'train_cfg',
                                  dict(augments=[method]))
    if 'neck' in parts:
        parts['neck'] = _instead(cfg.model, 'neck', parts['neck'])
    delta: dict[str, Any] = dict(model=parts)
    if not _says_classes(cfg) and num_classes is not None:
        owner, target = (cfg.model, parts) if cfg.model.get(
            'data_preprocessor') else (cfg, delta)
        target['data_preprocessor'] = into(
            owner, 'data_preprocessor', dict(num_classes=num_classes))
    if not (cfg.get('train_dataloader') or {}).get('drop_last'):
        delta['train_dataloader'] = into(
            cfg, 'train_dataloader', dict(drop_last=True))
    return delta


def _instead(owner: Mapping, key: str, value: dict) -> dict:
    """A setting that replaces the present one, if any."""
    return dict(_delete_=True, **value) if key in owner else value


def into(owner: Mapping, key: str, value: dict) -> dict:
    """Prepare a dict for merging into a setting that may be None.

    Args:
        owner (Mapping): The settings around it.
        key (str): Name of the setting.
        value (dict): What to merge into it.

    Returns:
        dict: ``value``, with ``_delete_`` if the setting is not a dict:
        MMEngine cannot merge a dict into anything else.
    """
    return value if isinstance(owner.get(key), dict) else (
        _instead(owner, key, value))


def _says_classes(cfg: Config) -> bool:
    given = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor')
    return bool((given or {}).get('num_classes')
                or (cfg.model.get('head') or {}).get('num_classes'))


def _name(cfg: Config, name: str) -> str:
    """Name of a class of this package, with its scope if needed."""
    return name if cfg.get('default_scope') == SCOPE else f'alignmix_mm.{name}'


def _soft_labels(cfg: Config) -> dict[str, Any]:
    """Settings that a head needs for mixed labels."""
    head = cfg.model.get('head') or {}
    loss, kind = head.get('loss'), class_of(head, MODELS)
    changes: dict[str, Any] = {}
    if loss and class_of(loss, MODELS) is CrossEntropyLoss and not (
            loss.get('use_sigmoid')):
        changes['loss'] = dict(use_soft=True)
    elif loss is None and isinstance(kind, type) and issubclass(
            kind, LinearClsHead) and not issubclass(kind, MultiLabelClsHead):
        changes['loss'] = _instead(head, 'loss', dict(
            type='CrossEntropyLoss', use_soft=True))
    if head.get('cal_acc'):
        changes['cal_acc'] = False
    return changes
