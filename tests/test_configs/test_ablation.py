"""Table 8: which layers are mixed, and how, is all that differs."""
import pytest
from built_configs import NAMES, read, structure

import alignmix_mm

LAYERS = dict(xe=['input', 'embed'], xa=['input', 'feat', 'feat_swap'],
              xae=['input', 'embed', 'feat', 'feat_swap'])
LAYERS['2x2'] = LAYERS['8x8'] = LAYERS['xae']
POSITIONS = {'2x2': 4, '8x8': 64}
TRUNK = 11166144
DECODER = 513 * 8192 + 2499907
TENSOR = 262272  # convolution from 512x4x4 to 128x2x2
ROWS = [name for name in NAMES if name.startswith('ablation/')]


def row_of(name):
    return name.removeprefix('ablation/').removesuffix('_r18_cifar100')


@pytest.mark.parametrize('name', ROWS)
def test_a_row_is_what_its_name_says(name):
    cfg, model = read(name), structure(name)
    words = row_of(name).split('_')[1:]
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
    assert model.head.fc.in_features == 512
    # recipe and data are those of the main config
    main = read('alignmix_r18_cifar100')
    for key in ('train_dataloader', 'optim_wrapper', 'param_scheduler',
                'train_cfg'):
        assert cfg[key] == main[key], key


def test_the_rows_that_are_there():
    """Aligned, {x, A, e} is the main config of each variant."""
    names = {row_of(name) for name in ROWS}
    both = {f'alignmix_{row}{suffix}' for suffix in ('', '_unaligned')
            for row in ('xa', 'xae_tensor', 'ae_xa', 'ae_2x2', 'ae_8x8',
                        'ae_xe_tensor', 'vae_xa', 'vae_xe_tensor')}
    single = {f'alignmix_{row}' for row in (
        'xe', 'ae_xe', 'vae_xe', 'xae_unaligned', 'ae_xae_unaligned',
        'vae_xae_unaligned')}
    assert names == both | single
