"""AlignMix/AE from the command line, on real digits."""
import numpy as np
import pytest
import torch
from commands import alignmix, process
from conftest import ROOT
from mmpretrain.apis import get_model
from mmpretrain.registry import DATASETS
from PIL import Image

from alignmix_mm.cli.drawing import alignment
from alignmix_mm.cli.drawing import interpolation as drawing

CONFIG = 'configs/demo/alignmix_ae_digits.py'
SHORT = ['--cfg-options', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=2',
         'default_hooks.checkpoint.interval=2', 'train_dataloader.batch_size='
         '100', 'default_hooks.logger.interval=1']


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Work directory of two epochs."""
    work_dir = tmp_path_factory.mktemp('ae')
    alignmix('train', CONFIG, '--work-dir', work_dir, *SHORT)
    return work_dir


@pytest.mark.slow
@pytest.mark.process
def test_two_processes_train_different_parts(tmp_path):
    """Steps without the decoder and steps without the classifier."""
    output = process('bash', 'tools/dist_train.sh', CONFIG, 2, '--work-dir',
                     tmp_path, *SHORT, 'train_cfg.max_epochs=1',
                     'train_dataloader.batch_size=5', '--no-validate')
    assert 'loss_reconstruction' in output and ' loss:' in output


def test_pictures(trained):
    output = alignmix(
        'visualize', 'interpolation', CONFIG, trained / 'epoch_2.pth',
        '--pair', 3, 5, '--steps', 3, '--out', trained)
    for name in 'interpolation_3_5.png', 'interpolation_5_3.png':
        assert name in output
        assert np.asarray(Image.open(trained / name)).std() > 10


def test_mixtures_are_decoded_in_both_directions(trained):
    from mmengine.config import Config
    cfg = Config.fromfile(ROOT / CONFIG)
    model = get_model(cfg, str(trained / 'epoch_2.pth')).eval()
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    lam = np.array([0, .3, 1], np.float32)
    ends, decoded = drawing.interpolate(model, dataset, (3, 5), lam)
    for n, index in enumerate((3, 5)):
        pixels = dataset[index]['inputs'].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(ends[n], pixels)
    assert list(decoded) == ['unaligned', 'aligned']
    inputs = torch.stack([dataset[n]['inputs'] for n in (3, 5)])
    images = model.data_preprocessor(dict(inputs=inputs))['inputs']
    with torch.no_grad():
        alone = (model.reconstruct(images) + 1) * 127.5
    alone = alone.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    for way in decoded.values():  # a weight of 1 is the anchor itself
        assert way.shape == (2, 3, 32, 32, 3)
        np.testing.assert_allclose(way[:, 2], alone, atol=1)
    # a weight of 0 is the partner, where it is not aligned
    np.testing.assert_allclose(decoded['unaligned'][:, 0], alone[::-1], atol=1)
    # in between, the other direction has the other weight
    flipped = drawing.decode(model, images.flip(0), 1 - lam)
    plain = drawing.decode(model, images.flip(0), 1 - lam, align=False)
    np.testing.assert_allclose(decoded['unaligned'], plain, atol=1)
    assert not np.array_equal(decoded['aligned'], flipped)


@pytest.mark.parametrize('own', [False, True])
def test_pictures_of_alignment(trained, own):
    """Points of Figure 2, or matches of test images."""
    names = ['matches_3_5'] if own else ['transport']
    options = [CONFIG, trained / 'epoch_2.pth', '--pair', 3, 5] * own
    output = alignmix('visualize', 'alignment', *options, '--out', trained)
    for name in names:
        assert f'{name}.png' in output and f'{name}.svg' in output
        assert np.asarray(Image.open(trained / f'{name}.png')).std() > 10


def test_matches_are_those_of_the_map_that_the_neck_aligns(
        tmp_path, monkeypatch):
    from mmengine.config import Config
    from mmpretrain.registry import MODELS
    config = tmp_path / 'pooled.py'
    config.write_text(
        f"_base_ = {str(ROOT / 'configs/demo/alignmix_digits.py')!r}\n"
        'model = dict(neck=dict(align_size=2, embed=dict(in_channels=512)))')
    cfg = Config.fromfile(config)
    torch.save(MODELS.build(cfg.model).state_dict(), tmp_path / 'ckpt.pth')
    grids = []
    monkeypatch.setattr(alignment, 'save', lambda *_: None)
    monkeypatch.setattr(
        alignment, 'plot_alignment', lambda a, b, plan, grid, title:
        grids.append((plan.shape, tuple(grid))))
    alignmix('visualize', 'alignment', config, tmp_path / 'ckpt.pth', '--num',
             1)
    assert grids == [((4, 4), (2, 2))]  # the backbone's map is 4x4


def test_a_config_without_decoder_is_refused(trained):
    output = alignmix(
        'visualize', 'interpolation', 'configs/demo/alignmix_digits.py',
        trained / 'epoch_2.pth', code=1)
    assert 'has no decoder' in output and 'Traceback' not in output


@pytest.mark.parametrize('tool, options, message', [
    ('interpolation', ['--pair', '3', '900'],
     '--pair asks for image 900, but the indices of the 900 test images'),
    ('alignment', ['--pair', '3', '900'], 'are 0 to 899'),
    ('alignment', [], 'There is no checkpoint')])
def test_what_is_not_there_is_named(trained, tool, options, message):
    checkpoint = trained / ('epoch_2.pth' if options else 'epoch_9.pth')
    output = alignmix('visualize', tool, CONFIG, checkpoint, *options, '--out',
                      trained, code=1)
    assert message in output and 'Traceback' not in output
