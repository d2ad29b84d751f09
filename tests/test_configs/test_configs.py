"""Every config of the repository builds, and is what its name says."""
import numpy as np
import pytest
import torch
from built_configs import (
    NAMES,
    build,
    for_a_step,
    forward_shapes,
    image_size,
    read,
    run_pipeline,
    steps_to_take,
    structure,
)
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpretrain.registry import PARAM_SCHEDULERS
from mmpretrain.structures import DataSample

import alignmix_mm


@pytest.mark.parametrize('name', NAMES)
def test_builds_and_takes_its_images(name):
    cfg, model = read(name), structure(name)
    loaders = cfg.train_dataloader, cfg.val_dataloader
    assert loaders[0].drop_last  # a batch of one spoils BatchNorm
    sizes = {image_size(name)}
    switched = [
        step['train_pipeline'] for hook in cfg.get('custom_hooks', [])
        for step in hook.get('schedule', []) if 'train_pipeline' in step]
    for pipeline in switched + [
            loader.dataset.get('pipeline') for loader in loaders]:
        if pipeline is None:  # Digits are tensors
            continue
        data = run_pipeline(pipeline)
        assert data['data_samples'].gt_label == 1
        assert data['inputs'].shape[0] == 3
        if pipeline in switched:
            sizes.add(data['inputs'].shape[1])
    for size in sizes:
        maps, scores = forward_shapes(name, size)
        assert scores == (2, cfg.data_preprocessor.num_classes)
        if 'wsol' in name:
            assert maps[2:] == (14, 14)
    if hasattr(model, 'decoder'):
        assert {model.decoder.image_size} == sizes
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    schedulers = cfg.param_scheduler
    for options in ([schedulers] if isinstance(schedulers, dict) else
                    schedulers):
        PARAM_SCHEDULERS.build(options, default_args=dict(
            optimizer=wrapper, epoch_length=10))


def pipelines_of(name):
    """By their text, so that those of several configs are one."""
    cfg = read(name)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        pipeline = loader.dataset.get('pipeline')
        if pipeline and 'RandAugment' not in str(pipeline):  # it inverts
            yield str(pipeline), pipeline


def test_images_keep_the_order_of_their_channels():
    """The preprocessor turns BGR into RGB, in training and in tests."""
    init_default_scope('mmpretrain')
    found = {text: pipeline for name in NAMES
             for text, pipeline in pipelines_of(name)}
    assert any('Lighting' in text for text in found) and len(found) > 9
    red = np.full((300, 280, 3), (20, 60, 200), np.uint8)
    for pipeline in found.values():
        means = run_pipeline(pipeline, red)['inputs'].float().mean((1, 2))
        assert means[0] < means[1] < means[2], pipeline


@pytest.mark.parametrize('name', steps_to_take())
def test_does_a_step(name):
    cfg, size = for_a_step(name)
    model = build(cfg).train()
    classes = cfg.data_preprocessor.num_classes
    data = dict(
        inputs=torch.randint(0, 255, (3, 3, size, size), dtype=torch.uint8),
        data_samples=[DataSample().set_gt_label(n % classes)
                      for n in range(3)])
    optimizer = torch.optim.SGD(model.parameters(), 1e-4)
    losses = model.train_step(data, OptimWrapper(optimizer))
    assert torch.isfinite(losses['loss'])
    data['data_samples'] = [DataSample().set_gt_label(n % classes)
                            for n in range(3)]
    model.eval()
    samples = model.val_step(data)
    assert samples[0].pred_score.shape == (classes, )
    if 'wsol' in name:
        (*_, height, width), _ = forward_shapes(name, size)
        assert samples[0].cam.shape == (height, width)


# the ablation has a test of its own
@pytest.mark.parametrize('name', [
    name for name in NAMES if not name.startswith('ablation/')])
def test_alignmix_and_baselines_have_their_classes(name):
    model, stem = structure(name), name.rpartition('/')[2]
    method = stem.split('_')[0]
    is_ae = '_ae' in stem or '_vae' in stem
    augments = model.data_preprocessor.batch_augments
    expected = method in ('alignmix', 'manifold', 'puzzlemix', 'comixup')
    assert isinstance(model, alignmix_mm.AlignMixClassifier) == expected
    if method in ('baseline', 'cutout', 'adl', 'acol'):
        assert augments is None
        return
    augment = augments.augments[0]
    small = 'tinyimagenet' in stem  # the protocol of Kim et al. (2020)
    assert type(augment).__name__ == dict(
        input='Mixup', cutmix='CutMix', manifold='ManifoldMix',
        puzzlemix='PuzzleMix', comixup='CoMixup', saliencymix='SaliencyMix',
        stylemix='StyleMix', stylecutmix='StyleCutMix',
        alignmix='AlignMix')[method]
    assert augment.alpha == {
        'alignmix': 2.0, 'puzzlemix': 1.0, 'saliencymix': 1.0,
        'stylemix': .5, 'stylecutmix': 1.0,
        'comixup': 1.0 if 'imagenet_100e' in stem else 2.0,
        'manifold': 2.0 if 'cifar' in stem else 0.2 if small else 1.0,
    }.get(method, 0.2 if small else 1.0)
    if method == 'alignmix':
        assert model.mixer.align
        assert len(augment.modes) == (3 if 'official' in stem else
                                      5 if is_ae else 4)
        assert ('clean' in augment.modes) == is_ae


@pytest.mark.parametrize('name, parameters', [
    # trunk + f + g, from the paper's sizes: A 512x4x4, e in R^512
    ('alignmix_r18_cifar10', 11166144 + 8192 * 512 + 512 + 513 * 10),
    ('alignmix_r18_cifar100', 11166144 + 8192 * 512 + 512 + 513 * 100),
    ('baselines/baseline_r18_cifar10', 11166144 + 513 * 10),
    ('alignmix_r18_cifar100_official', 11166144 + 513 * 100),
    # the paper says 28M: 2048x4x4, e in R^128
    ('alignmix_r50_imagenet', 23508032 + 32768 * 128 + 128 + 129 * 1000),
    ('baselines/baseline_r50_imagenet', 25557032),
    ('alignmix_r50_imagenet_100e', 23508032 + 32768 * 128 + 128 + 129 * 1000),
    # no parameter is added to MMPretrain's networks
    ('baselines/manifold_r18_cifar10', 11166144 + 513 * 10),
    ('alignmix_deit_small_imagenet', 22050664),
    ('alignmix_swin_tiny_imagenet', 28288354),
    ('alignmix_convnext_tiny_imagenet', 28589128),
    # and the decoder: its linear layer, its blocks and last convolution
    ('alignmix_r18_cifar10_ae', 15366090 + 513 * 8192 + 2499907),
    ('alignmix_r18_cifar100_ae', 15412260 + 513 * 8192 + 2499907),
    # mean and log variance
    ('alignmix_r18_cifar100_vae', 11166144 + 2 * (8192 * 512 + 512)
     + 513 * 100 + 513 * 8192 + 2499907),
    ('baselines/baseline_wrn16_8_cifar10', 10960736 + 513 * 10),
    ('alignmix_wrn16_8_cifar10', 10960736 + 8192 * 512 + 512 + 513 * 10),
    ('alignmix_wrn16_8_cifar100_ae', 10960736 + 8192 * 512 + 512 + 513 * 100
     + 513 * 8192 + 2499907),
    ('baselines/baseline_r18_tinyimagenet', 11166144 + 513 * 200),
    ('alignmix_r18_tinyimagenet', 11166144 + 8192 * 512 + 512 + 513 * 200),
    # 11.69M for 64 pixels
    ('alignmix_r18_tinyimagenet_ae', 11166144 + 8192 * 512 + 512 + 513 * 200
     + 513 * 8192 + 7483715),
    ('alignmix_r18_tinyimagenet_official', 11166144 + 513 * 200),
    ('alignmix_wrn16_8_cifar100_official', 10960736 + 513 * 100),
    ('alignmix_r50_imagenet_official', 25557032),
    ('alignmix_r50_cub_wsol_ae', 23917832 + 2049 * 512 * 49 + 7561923),
    ('alignmix_vgg16gap_cub_wsol_ae', 19639304 + 1025 * 512 * 49 + 7561923),
    ('baselines/manifold_vgg16gap_cub_wsol', 19639304),
    ('alignmix_r50_imagenet_ae', 27831464 + 129 * 512 * 49 + 7561923),
    ('alignmix_r50_cub_wsol', 23917832),
    ('alignmix_vgg16gap_cub_wsol', 19639304),
    ('baselines/baseline_r50_cub_wsol', 23917832),
    ('baselines/baseline_vgg16gap_cub_wsol', 19639304),
    ('baselines/adl_r50_cub_wsol', 23917832),
    ('baselines/adl_vgg16gap_cub_wsol', 19639304),
    # two branches: 3x3, 3x3 and 1x1
    ('baselines/acol_r50_cub_wsol', 23508032 + 2 * (
        (2048 * 9 + 1) * 1024 + (1024 * 9 + 1) * 1024 + 1025 * 200)),
    ('baselines/acol_vgg16gap_cub_wsol', 43440336),
])
def test_parameter_counts(name, parameters):
    assert sum(p.numel() for p in structure(name).parameters()) == parameters


def test_imagenet_schedule_is_appendix_b():
    cfg = read('alignmix_r50_imagenet')
    model = structure('alignmix_r50_imagenet')
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    rates = {group['lr'] for group in optimizer.param_groups}
    assert rates == {0.01, 0.1}
    fast = [p for group in optimizer.param_groups if group['lr'] == 0.1
            for p in group['params']]
    assert {id(p) for p in fast} == {id(p) for p in model.head.parameters()}
    assert optimizer.defaults['momentum'] == 0.9
    assert optimizer.defaults['weight_decay'] == 1e-4
    assert cfg.train_cfg.max_epochs == 300
    assert cfg.param_scheduler.milestones == [100, 200]
    assert cfg.param_scheduler.gamma == 0.1
    assert cfg.train_dataloader.batch_size == 100
    assert cfg.auto_scale_lr.base_batch_size == 4 * 100


def test_the_recipe_of_cutmix_is_that_of_its_authors():
    cfg = read('baselines/baseline_r50_imagenet_cutmix_recipe')
    assert cfg.train_cfg.max_epochs == 300
    assert cfg.param_scheduler.milestones == [75, 150, 225]
    assert cfg.optim_wrapper.optimizer == dict(
        type='SGD', lr=.1, momentum=.9, weight_decay=1e-4, nesterov=True)


@pytest.mark.parametrize('name, epochs, milestones', [
    ('alignmix_r18_cifar10', 2000, (500, 1000, 1500)),
    ('alignmix_r18_cifar100', 2000, (500, 1000, 1500)),
    ('alignmix_wrn16_8_cifar100_ae', 2000, (500, 1000, 1500)),
    ('alignmix_r18_tinyimagenet', 1200, (600, 900)),
    ('baselines/baseline_r18_cifar10', 2000, (500, 1000, 1500)),
    ('baselines/manifold_wrn16_8_cifar100', 2000, (500, 1000, 1500)),
    ('baselines/cutmix_r18_tinyimagenet', 1200, (600, 900))])
def test_schedule_of_small_images_is_appendix_b(name, epochs, milestones):
    cfg = read(name)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1)
    schedulers = []
    warm_up = isinstance(cfg.param_scheduler, list)
    for options in (cfg.param_scheduler if warm_up else
                    [cfg.param_scheduler]):
        options.pop('convert_to_iter_based', None)  # here a step is an epoch
        schedulers.append(PARAM_SCHEDULERS.build(
            dict(optimizer=optimizer, **options)))
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert warm_up == name.startswith('alignmix')  # it is not in the paper
    assert rates[0] == pytest.approx(1e-3 if warm_up else .1)
    assert rates[5] == pytest.approx(.1)
    for n, epoch in enumerate(milestones):
        assert rates[epoch - 1] == pytest.approx(.1**(n + 1)), epoch
        assert rates[epoch] == pytest.approx(.1**(n + 2)), epoch
    assert cfg.train_cfg.max_epochs == epochs
    assert cfg.train_dataloader.batch_size == 128
