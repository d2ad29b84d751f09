"""The methods of the localization experiment, as configs."""
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
# crops make objects larger, so training images can be smaller and faster
TRAIN_SIZE, TEST_SIZE = 128, 224
NETWORK = 'backbone.timm_model.'
FROZEN = ('conv_stem', 'bn1', *(f'blocks.{n}' for n in range(4)))
SOFT = dict(head=dict(loss=dict(use_soft=True)))


def _mixed(**augment) -> dict:
    return dict(SOFT, train_cfg=dict(augments=[augment]))


#: Changes of the model.
METHODS = {
    'untuned': {},
    'plain': {},
    'Mixup': _mixed(type='Mixup', alpha=1.),
    'CutMix': _mixed(type='CutMix', alpha=1.),
    # before the last stage, where maps are 14x14
    'AlignMix': dict(_mixed(type='AlignMix', alpha=2.),
                     type='AlignMixClassifier',
                     mix_at='timm_model.blocks.5'),
    # after activations, as in the networks of Choe et al.
    'ADL': dict(adl=dict(
        at=('timm_model.blocks.4.2.bn2', 'timm_model.blocks.5.3.bn2',
            'timm_model.bn2'), drop_rate=.75, drop_threshold=.9)),
    # the branches are new, and have a higher learning rate
    'ACoL': dict(neck=None, head=dict(
        _delete_=True, type='ACoLHead', num_classes=2, in_channels=1280,
        mid_channels=128, init_cfg=dict(type='Kaiming', layer='Conv2d'))),
}


@HOOKS.register_module()
class Freeze(Hook):
    """Freeze the first stages and all statistics of BatchNorm."""

    def before_train(self, runner: Runner) -> None:
        """Disable gradients of the first stages."""
        for name, parameter in runner.model.named_parameters():
            stage = name.removeprefix(NETWORK)
            if any(stage.startswith(f'{part}.') for part in FROZEN):
                parameter.requires_grad_(False)

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        """Freeze BatchNorm, after the model was set to training mode."""
        for module in runner.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def make_config(method: str, seed: int, folder: Path, start: Path,
                epochs: int) -> Config:
    """The config of one run.

    Args:
        method (str): Key of ``METHODS``.
        seed (int): Random seed.
        folder (Path): Data in CUB's layout.
        start (Path): Checkpoint to start from.
        epochs (int): Epochs of training.

    Returns:
        Config: The config; the run writes no checkpoints.
    """
    os.environ['ALIGNMIX_WSOL'] = str(folder)
    cfg = Config.fromfile(ROOT / 'configs/demo/baseline_wsol_mini.py')
    cfg.model.backbone = dict(
        type='TIMMBackbone', model_name='efficientnet_lite0',
        pad_type='same', bn_eps=1e-3, output_stride=16)
    cfg.model.head.in_channels = 1280
    cfg.data_preprocessor.update(mean=[127.] * 3, std=[128.] * 3)
    cfg.train_dataloader.dataset.pipeline[1].update(
        scale=TRAIN_SIZE, crop_ratio_range=(.3, 1.))
    cfg.val_dataloader.dataset.pipeline[1].scale = (TEST_SIZE, TEST_SIZE)
    cfg.train_dataloader.num_workers = cfg.val_dataloader.num_workers = 0
    cfg.train_dataloader.persistent_workers = False
    cfg.val_dataloader.persistent_workers = False
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    cfg.merge_from_dict(dict(model=METHODS[method]))
    fast = 10. if method == 'ACoL' else 1.
    cfg.optim_wrapper = dict(
        optimizer=dict(type='SGD', lr=.01, momentum=.9, weight_decay=1e-4),
        clip_grad=dict(max_norm=5.),
        paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=fast)}))
    cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=.1, by_epoch=False, end=12),
        dict(type='CosineAnnealingLR', by_epoch=True, T_max=epochs,
             convert_to_iter_based=True)]
    cfg.train_cfg.update(max_epochs=epochs, val_interval=epochs + 1)
    cfg.default_hooks.checkpoint = None
    cfg.custom_hooks = [dict(type='Freeze')]
    cfg.visualizer = dict(type='UniversalVisualizer', vis_backends=[])
    cfg.load_from = str(start)
    cfg.randomness = dict(seed=seed)
    cfg.log_level = 'WARNING'
    return cfg
