"""Losses of ten configs at given seeds, as in an earlier version.

`python tests/golden_losses.py` writes them to tests/data. Do that only for an
intended change of the losses, and mention it in the changelog.
"""
import copy
import json
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import alignmix_mm  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
FILE = Path(__file__).parent / 'data' / 'golden_losses.json'
STEPS = 5
# These configs have been rewritten since; the old spelling still works.
OLD_SPELLINGS = {
    'baselines/manifold_r18_cifar100': dict(
        mix_at=['layer1', 'layer2'], mixer=dict(align=False),
        train_cfg=dict(augments=[
            dict(type='AlignMix', alpha=2.0, modes=['input', 'feat'],
                 probs=[1 / 3, 2 / 3], lam_per='batch')])),
}
# config: height and width of the images
CONFIGS = {
    'alignmix_r18_cifar10': 32,
    'alignmix_r18_cifar100_official': 32,
    'alignmix_r18_cifar100_ae': 32,
    'alignmix_r18_cifar100_vae': 32,
    'ablation/alignmix_vae_xe_tensor_r18_cifar100': 32,
    'ablation/alignmix_xa_unaligned_r18_cifar100': 32,
    'baselines/manifold_r18_cifar100': 32,
    'baselines/cutmix_r18_cifar10': 32,
    'alignmix_r50_imagenet': 64,
    'alignmix_deit_small_imagenet': 224,
}


def losses_of(name: str) -> list[dict[str, float]]:
    """Compute the losses of the first steps, without updates.

    Args:
        name (str): Key of ``CONFIGS``.

    Returns:
        list[dict[str, float]]: Losses that the model returns at each step.
    """
    cfg = Config.fromfile(ROOT / 'configs' / f'{name}.py')
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    np.random.seed(0)
    MessageHub.get_current_instance().runtime_info.clear()
    model = MODELS.build({**copy.deepcopy(cfg.model),
                          **OLD_SPELLINGS.get(name, {}),
                          'data_preprocessor': cfg.data_preprocessor})
    for parameter in model.parameters():  # independent of init_weights
        torch.nn.init.normal_(parameter, std=.05)
    model.train()
    size, classes = CONFIGS[name], cfg.data_preprocessor.num_classes
    found = []
    for step in range(STEPS):
        torch.manual_seed(step)
        np.random.seed(step)
        data = dict(
            inputs=torch.randint(0, 256, (4, 3, size, size)).byte(),
            data_samples=[DataSample().set_gt_label((n + step) % classes)
                          for n in range(4)])
        with torch.no_grad():
            losses = model(**model.data_preprocessor(data, True), mode='loss')
        found.append({key: float(value) for key, value in losses.items()
                      if 'loss' in key})
    return found


if __name__ == '__main__':
    FILE.write_text(json.dumps(
        {name: losses_of(name) for name in CONFIGS}, indent=1) + '\n')
    print(FILE)
