"""Every config of the repository builds and does a step."""
import copy

import pytest
import torch
from conftest import ROOT
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpretrain.registry import MODELS, PARAM_SCHEDULERS, TRANSFORMS
from mmpretrain.structures import DataSample

import alignmix_mm

CONFIGS = sorted(
    path for path in (ROOT / 'configs').rglob('*.py')
    if '_base_' not in path.parts)


def build(path):
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    model = copy.deepcopy(cfg.model)
    model.data_preprocessor = cfg.data_preprocessor
    return cfg, MODELS.build(model)


def num_parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_builds_and_does_a_step(path):
    cfg, model = build(path)
    size = (224 if '_imagenet' in path.stem or 'cub' in path.stem else
            112 if 'wsol_mini' in path.stem else
            64 if 'tinyimagenet' in path.stem else 32)
    model.train()
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
    if 'wsol' in path.stem:
        assert samples[0].cam.shape == (14, 14)
    assert cfg.train_dataloader.drop_last  # a batch of one spoils BatchNorm


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_pipelines_run_and_schedules_build(path):
    """Data are left out: every transform behind the loading of files runs."""
    cfg, model = build(path)
    wrapper = build_optim_wrapper(model, copy.deepcopy(cfg.optim_wrapper))
    schedulers = cfg.param_scheduler
    for options in ([schedulers] if isinstance(schedulers, dict) else
                    schedulers):
        PARAM_SCHEDULERS.build(
            copy.deepcopy(options),
            default_args=dict(optimizer=wrapper, epoch_length=10))
    switched = [
        step['train_pipeline'] for hook in cfg.get('custom_hooks', [])
        for step in hook.get('schedule', []) if 'train_pipeline' in step]
    loaders = (cfg.train_dataloader, cfg.val_dataloader)
    for pipeline in switched + [
            loader.dataset.get('pipeline') for loader in loaders]:
        if pipeline is None:  # Digits are tensors
            continue
        image = torch.randint(0, 255, (300, 280, 3), dtype=torch.uint8)
        data = dict(img=image.numpy(), gt_label=1, sample_idx=0,
                    img_shape=(300, 280), ori_shape=(300, 280))
        for options in pipeline:
            if not options['type'].startswith('LoadImage'):
                data = TRANSFORMS.build(options)(data)
        assert data['inputs'].shape[0] == 3
        assert data['data_samples'].gt_label == 1


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_alignmix_and_baselines_have_their_classes(path):
    _, model = build(path)
    if 'ablation' in path.parts:
        return  # they have a test of their own
    method = path.stem.split('_')[0]
    is_ae = '_ae' in path.stem or '_vae' in path.stem
    augments = model.data_preprocessor.batch_augments
    expected = method in ('alignmix', 'manifold')
    assert isinstance(model, alignmix_mm.AlignMixClassifier) == expected
    if method in ('baseline', 'cutout'):
        assert augments is None
        return
    augment = augments.augments[0]
    small = 'tinyimagenet' in path.stem  # the protocol of Kim et al. (2020)
    if not expected:
        assert type(augment).__name__ == dict(
            input='Mixup', cutmix='CutMix')[method]
        assert augment.alpha == (0.2 if small else 1.0)
        return
    assert augment.alpha == (
        2.0 if method == 'alignmix' or 'cifar' in path.stem else
        0.2 if small else 1.0)
    assert model.mixer.align == (method == 'alignmix')
    assert len(augment.modes) == (2 if method == 'manifold' else
                                  3 if 'official' in path.stem else
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
])
def test_parameter_counts(name, parameters):
    _, model = build(ROOT / 'configs' / f'{name}.py')
    assert num_parameters(model) == parameters


def test_imagenet_schedule_is_appendix_b():
    cfg, model = build(ROOT / 'configs' / 'alignmix_r50_imagenet.py')
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


@pytest.mark.parametrize('name, epochs, milestones', [
    ('alignmix_r18_cifar10', 2000, (500, 1000, 1500)),
    ('alignmix_r18_cifar100', 2000, (500, 1000, 1500)),
    ('alignmix_wrn16_8_cifar100_ae', 2000, (500, 1000, 1500)),
    ('alignmix_r18_tinyimagenet', 1200, (600, 900))])
def test_schedule_of_small_images_is_appendix_b(name, epochs, milestones):
    cfg, model = build(ROOT / 'configs' / f'{name}.py')
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    schedulers = []
    for options in copy.deepcopy(cfg.param_scheduler):
        options.pop('convert_to_iter_based', None)  # here a step is an epoch
        schedulers.append(PARAM_SCHEDULERS.build(
            dict(optimizer=optimizer, **options)))
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert rates[0] == pytest.approx(1e-3)  # the warm-up, not in the paper
    assert rates[5] == pytest.approx(.1)
    for n, epoch in enumerate(milestones):
        assert rates[epoch - 1] == pytest.approx(.1**(n + 1)), epoch
        assert rates[epoch] == pytest.approx(.1**(n + 2)), epoch
    assert cfg.train_cfg.max_epochs == epochs
    assert cfg.train_dataloader.batch_size == 128
