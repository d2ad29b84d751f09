"""The localization configs are Appendix B, and Table 4 has its rows."""
import cv2
import numpy as np
import pytest
from built_configs import read, structure
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS

NETWORKS = ('r50', 'vgg16gap')
ROWS = [f'alignmix_{{}}_cub_wsol{suffix}' for suffix in (
    '', '_paper', '_official')] + [
    f'baselines/{name}_{{}}_cub_wsol'
    for name in ('baseline', 'input', 'cutmix', 'cutout', 'adl', 'acol')]


@pytest.mark.parametrize('network', NETWORKS)
@pytest.mark.parametrize('row', ROWS)
def test_every_row_has_the_recipe_of_appendix_b(row, network):
    cfg, model = read(row.format(network)), structure(row.format(network))
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    high, low = {'r50': (.01, .001), 'vgg16gap': (.001, .0001)}[network]
    for group in optimizer.param_groups:
        assert group['momentum'] == .9 and group['weight_decay'] == 1e-4
        assert not group['nesterov']
    rates = {id(p): group['lr'] for group in optimizer.param_groups
             for p in group['params']}
    for name, parameter in model.named_parameters():
        new = name.startswith(('head.', 'backbone.conv6.'))
        assert rates[id(parameter)] == pytest.approx(high if new else low)
    scheduler, = cfg.param_scheduler
    assert (scheduler.type, scheduler.milestones, scheduler.gamma) == (
        'MultiStepLR', [150, 300, 450], .1)
    assert cfg.train_cfg.max_epochs == 600
    loader = cfg.train_dataloader
    assert (loader.batch_size, loader.dataset.type) == (16, 'CUB')
    assert loader.dataset.split == 'train'  # whose boxes are not read
    assert cfg.test_dataloader.dataset.type == 'CUBWithBoxes'
    assert cfg.test_dataloader.dataset.split == 'test'
    assert 'save_best' not in cfg.default_hooks.checkpoint
    assert cfg.model.cam == 'gt'
    source = 'torchvision://' + dict(r50='resnet50', vgg16gap='vgg16')[network]
    assert cfg.model.backbone.init_cfg.checkpoint == source


@pytest.mark.parametrize('network, place', [
    ('r50', 'layer4.1'), ('vgg16gap', 'features.16')])
def test_where_maps_are_mixed(network, place):
    name = f'alignmix_{network}_cub_wsol'
    assert read(name).model.mix_at == place
    for suffix, options in (
            ('_paper', dict(solver='log')),
            ('_official', dict(solver='log', tol=.1, end='col'))):
        cfg = read(name + suffix)
        assert cfg.model.mix_at is None and cfg.model.mixer == options


@pytest.mark.parametrize('network, places, thresholds', [
    ('r50', ('layer3.0', 'layer4.0', 'layer4.2'), (.9, .9)),
    # conv3_3 and its pooling, conv4_3, conv5_3
    ('vgg16gap', ('features.9', 'features.12', 'features.16'), (.8, .9))])
def test_where_adl_acts(network, places, thresholds):
    for suffix, threshold in zip(('', '_wsoleval'), thresholds):
        name = f'baselines/adl_{network}_cub_wsol{suffix}'
        layers = structure(name).adl
        assert [layer.path for layer in layers] == list(places)
        assert {(layer.drop_rate, layer.drop_threshold)
                for layer in layers} == {(.75, threshold)}
    features = structure('baselines/adl_vgg16gap_cub_wsol').backbone.features
    assert type(features[9]).__name__ == 'MaxPool2d'
    assert features[12].conv.in_channels == features[16].conv.in_channels


# the ten times higher rate: of what Choe et al.'s rules by name select
@pytest.mark.parametrize('method, network, fast', [
    ('adl', 'r50', ('backbone.layer4.', 'head.')),
    ('acol', 'r50', ('backbone.layer4.', )),
    ('adl', 'vgg16gap', ('backbone.conv6.', 'head.')),
    ('acol', 'vgg16gap', ('head.', ))])
def test_the_settings_of_choe_et_al(method, network, fast):
    name = f'baselines/{method}_{network}_cub_wsol_wsoleval'
    cfg, model = read(name), structure(name)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    for group in optimizer.param_groups:
        assert group['momentum'] == .9 and group['weight_decay'] == 5e-4
        assert group['nesterov']
    rates = {id(p): group['lr'] for group in optimizer.param_groups
             for p in group['params']}
    for key, parameter in model.named_parameters():
        assert rates[id(parameter)] == pytest.approx(
            .1 if key.startswith(fast) else .01)
    scheduler, = cfg.param_scheduler
    assert (scheduler.step_size, scheduler.gamma) == (15, .1)
    assert cfg.train_cfg.max_epochs == 50
    assert cfg.train_dataloader.batch_size == 32


@pytest.mark.parametrize('network, mode', [
    ('r50', 'Kaiming'), ('vgg16gap', 'Xavier')])
def test_acol_pools_itself(network, mode):
    model = structure(f'baselines/acol_{network}_cub_wsol')
    assert not model.with_neck
    assert model.head.init_cfg['type'] == mode
    assert model.head.drop_threshold == .7
    backbone = dict(r50='ResNet', vgg16gap='VGGACoL')[network]
    assert type(model.backbone).__name__ == backbone


def picture(path, height=333, width=500):
    image = np.random.default_rng(0).integers(
        0, 255, (height, width, 3), np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 9)
    cv2.imwrite(str(path), image)
    return image


def test_test_images_are_resized_and_nothing_else(tmp_path):
    from PIL import Image
    image = picture(tmp_path / 'a.png')
    pipeline = Compose(read('alignmix_r50_cub_wsol').test_pipeline)
    data = pipeline(dict(img_path=str(tmp_path / 'a.png'), gt_label=0))
    assert data['inputs'].shape == (3, 224, 224)
    assert data['data_samples'].ori_shape == (333, 500)
    expected = np.array(Image.fromarray(image).resize(
        (224, 224), Image.Resampling.BILINEAR))  # with antialias
    difference = data['inputs'].permute(1, 2, 0).numpy().astype(int) - expected
    assert abs(difference).max() <= 1
    # neither the aspect kept nor a crop: far from both
    short = cv2.resize(image, (336, 224))[:, 56:280].astype(int)
    assert abs(short - expected).mean() > 2


def test_training_images_are_crops_of_256(tmp_path):
    picture(tmp_path / 'a.png')
    cfg = read('baselines/cutout_r50_cub_wsol')
    data = Compose(cfg.train_pipeline)(
        dict(img_path=str(tmp_path / 'a.png'), gt_label=0))
    assert data['inputs'].shape == (3, 224, 224)
    plain = read('baselines/baseline_r50_cub_wsol').train_pipeline
    steps = [step.type for step in plain]
    assert steps == ['LoadImageFromFile', 'Resize', 'RandomCrop',
                     'RandomFlip', 'PackInputs']
    assert [step.type for step in cfg.train_dataloader.dataset.pipeline] == [
        *steps[:4], 'Cutout', 'PackInputs']


def test_cutout_is_grey_after_normalization(tmp_path):
    picture(tmp_path / 'a.png')
    cfg = read('baselines/cutout_r50_cub_wsol')
    preprocessor = MODELS.build(dict(
        type='ClsDataPreprocessor', **cfg.data_preprocessor))
    pipeline = Compose(cfg.train_pipeline)
    largest = 0
    for _ in range(10):
        data = pipeline(dict(img_path=str(tmp_path / 'a.png'), gt_label=0))
        inputs = preprocessor(dict(inputs=data['inputs'][None]))['inputs'][0]
        # rounding of the mean colour is at most half a level of about 57
        grey = (inputs.abs() < .6 / 57).all(0)
        assert grey.sum() <= 112 * 112 + 60
        largest = max(largest, int(grey.sum()))
    assert largest > 70 * 70
