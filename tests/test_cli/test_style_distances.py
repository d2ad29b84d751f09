"""Distances of the classes' styles, from the command line."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from commands import alignmix
from conftest import ROOT
from mmengine.config import Config
from mmpretrain.registry import DATASETS
from style_weights import write_weights

from alignmix_mm.mixing import StyleEncoder
from alignmix_mm.mixing.functional import style_distances, style_statistics
from alignmix_mm.mixing.style_networks import load_style_weights

CONFIG = f"""
_base_ = {str(ROOT / 'configs/demo/baseline_digits.py')!r}
train_dataloader = dict(
    batch_size=7, drop_last=True,  # the last two images count all the same
    dataset=dict(per_class=3, pipeline=[dict(type='PackInputs')]))
"""


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """A config of 30 digits, and the encoder's weights."""
    folder = tmp_path_factory.mktemp('style')
    (folder / 'config.py').write_text(CONFIG)
    return folder / 'config.py', write_weights(folder)[0]


def expected(config, encoder, unit):
    """All images at once."""
    cfg = Config.fromfile(config)
    data = DATASETS.build(cfg.train_dataloader.dataset)
    assert len(data) == 30
    images = torch.stack([data[n]['inputs'] for n in range(30)]).float()
    labels = torch.cat([data[n]['data_samples'].gt_label for n in range(30)])
    mean, std = (torch.tensor(cfg.data_preprocessor[name])[:, None, None]
                 for name in ('mean', 'std'))
    images = images / 255 if unit else (images - mean) / std
    images = F.interpolate(images, (16, 16), mode='bilinear')
    with torch.no_grad():
        levels = load_style_weights(StyleEncoder(), encoder).levels(images)
    return style_distances(style_statistics(levels), labels, 10)


@pytest.mark.parametrize('unit', [False, True])
def test_distances_of_a_training_set(unit, files, tmp_path):
    config, encoder = files
    out = tmp_path / 'D.npy'
    output = alignmix('style-distances', config, '--encoder', encoder, '--out',
                      out, '--size', 16, *['--unit'] * unit)
    assert str(out) in output
    found = np.load(out)
    assert found.shape == (10, 10) and not found.diagonal().any()
    # sums of float32 activations in another order
    np.testing.assert_allclose(found, expected(config, encoder, unit),
                               rtol=1e-3, atol=1e-6)


def test_mistakes_are_said(files, tmp_path):
    config, encoder = files
    out = tmp_path / 'D.npy'
    command = 'style-distances', config, '--encoder'
    assert 'pytorch-AdaIN' in alignmix(
        *command, tmp_path / 'no.pth', '--out', out, code=1)
    assert 'should end in .npy' in alignmix(
        *command, encoder, '--out', 'D.txt', code=2)
    output = alignmix(
        *command, encoder, '--out', out, '--size', 16, '--cfg-options',
        'train_dataloader.dataset.indices=4', code=1)
    assert 'all 10 classes, but got none of' in output
    assert not out.exists()
