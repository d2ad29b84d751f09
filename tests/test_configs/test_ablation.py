"""Table 8: which layers are mixed, and how, is all that differs."""
import copy

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS

import alignmix_mm

LAYERS = dict(xe=['input', 'embed'], xa=['input', 'feat', 'feat_swap'],
              xae=['input', 'embed', 'feat', 'feat_swap'])
LAYERS['2x2'] = LAYERS['8x8'] = LAYERS['xae']
POSITIONS = {'2x2': 4, '8x8': 64}
TRUNK = 11166144


def load(path):
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    model = copy.deepcopy(cfg.model)
    model.data_preprocessor = cfg.data_preprocessor
    return cfg, MODELS.build(model)


@pytest.mark.parametrize(
    'path', sorted((ROOT / 'configs' / 'ablation').glob('*.py')),
    ids=lambda path: path.stem)
def test_a_row_is_what_its_name_says(path):
    cfg, model = load(path)
    words = path.stem.removesuffix('_r18_cifar100').split('_')[1:]
    is_ae = words[0] == 'ae'
    layers = words[is_ae]
    augment, = model.data_preprocessor.batch_augments.augments
    assert list(augment.modes) == ['clean'] * is_ae + LAYERS[layers]
    assert augment.probs.std() == 0
    assert model.mixer.align == ('unaligned' not in words)
    assert isinstance(model, alignmix_mm.AlignMixAEClassifier) == is_ae
    count = sum(p.numel() for p in model.parameters())
    positions = POSITIONS.get(layers, 16)
    decoder = 513 * 8192 + 2499907
    assert count == (TRUNK + 512 * positions * 512 + 512 + 513 * 100
                     + is_ae * decoder)
    features = model.eval().extract_feat(torch.randn(2, 3, 32, 32))[-1]
    assert features.shape == (2, 512)
    # recipe and data are those of the main config
    main = Config.fromfile(ROOT / 'configs' / 'alignmix_r18_cifar100.py')
    for key in ('train_dataloader', 'optim_wrapper', 'param_scheduler',
                'train_cfg'):
        assert cfg[key] == main[key], key


def test_the_rows_that_are_there():
    """But for those of the tensor E and of the VAE."""
    names = {path.stem.removesuffix('_r18_cifar100')
             for path in (ROOT / 'configs' / 'ablation').glob('*.py')}
    both = {f'alignmix_{row}{suffix}' for suffix in ('', '_unaligned')
            for row in ('xa', 'ae_xa', 'ae_2x2', 'ae_8x8')}
    assert names == both | {
        'alignmix_xe', 'alignmix_ae_xe', 'alignmix_xae_unaligned',
        'alignmix_ae_xae_unaligned'}  # aligned, {x, A, e} is the main config
