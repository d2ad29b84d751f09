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
DECODER = 513 * 8192 + 2499907
TENSOR = 262272  # convolution from 512x4x4 to 128x2x2


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
    variant = words.pop(0) if words[0] in ('ae', 'vae') else ''
    layers, *rest = words
    augment, = model.data_preprocessor.batch_augments.augments
    assert list(augment.modes) == ['clean'] * bool(variant) + LAYERS[layers]
    assert augment.probs.std() == 0
    assert model.mixer.align == ('unaligned' not in rest)
    assert isinstance(model, alignmix_mm.AlignMixAEClassifier) == bool(variant)
    embed = model.neck.embed
    assert isinstance(embed, alignmix_mm.GaussianEmbedding) == (
        variant == 'vae')
    single = embed.mean if variant == 'vae' else embed
    assert isinstance(single, alignmix_mm.ConvEmbedding) == ('tensor' in rest)
    positions = POSITIONS.get(layers, 16)
    encoder = (TENSOR if 'tensor' in rest else
               512 * positions * 512 + 512) * (1 + (variant == 'vae'))
    count = sum(p.numel() for p in model.parameters())
    assert count == TRUNK + encoder + 513 * 100 + bool(variant) * DECODER
    features = model.eval().extract_feat(torch.randn(2, 3, 32, 32))[-1]
    assert features.shape == (2, 512)
    # recipe and data are those of the main config
    main = Config.fromfile(ROOT / 'configs' / 'alignmix_r18_cifar100.py')
    for key in ('train_dataloader', 'optim_wrapper', 'param_scheduler',
                'train_cfg'):
        assert cfg[key] == main[key], key


def test_the_rows_that_are_there():
    """Aligned, {x, A, e} is the main config of each variant."""
    names = {path.stem.removesuffix('_r18_cifar100')
             for path in (ROOT / 'configs' / 'ablation').glob('*.py')}
    both = {f'alignmix_{row}{suffix}' for suffix in ('', '_unaligned')
            for row in ('xa', 'xae_tensor', 'ae_xa', 'ae_2x2', 'ae_8x8',
                        'ae_xe_tensor', 'vae_xa', 'vae_xe_tensor')}
    single = {f'alignmix_{row}' for row in (
        'xe', 'ae_xe', 'vae_xe', 'xae_unaligned', 'ae_xae_unaligned',
        'vae_xae_unaligned')}
    assert names == both | single
