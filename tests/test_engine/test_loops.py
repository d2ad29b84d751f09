"""The adversarial test loop, on a real network and real digits."""
import copy
import itertools
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import default_collate, pseudo_collate
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS, MODELS

import alignmix_mm  # noqa: F401
from alignmix_mm.engine.loops import ATTACKS, pixels_of

counter = itertools.count()
SIZE = 16  # images, in batches of 13 and 3


def model_cfg(**preprocessor):
    return dict(
        type='ImageClassifier',
        backbone=dict(type='ResNet_CIFAR', depth=18, stem_channels=8,
                      base_channels=8, strides=(2, 2, 2, 1)),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=10, in_channels=64),
        data_preprocessor=dict(
            num_classes=10, mean=[75., 70., 65.], std=[95., 90., 85.],
            **preprocessor))


@pytest.fixture(scope='module')
def trained():
    """A network that knows the digits a little."""
    torch.manual_seed(0)
    model = MODELS.build(model_cfg())
    data = dataset('train', 300)
    optimizer = torch.optim.SGD(model.parameters(), .1, momentum=.9)
    model.train()
    for _ in range(4):
        for start in range(0, 300, 50):
            batch = model.data_preprocessor(default_collate(
                [data[n] for n in range(start, start + 50)]))
            optimizer.zero_grad()
            model(**batch, mode='loss')['loss'].backward()
            optimizer.step()
    return model.state_dict()


def dataset(split, size):
    return DATASETS.build(dict(
        type='Digits', split=split, indices=size,
        pipeline=[dict(type='PackInputs')]))


def make_runner(tmp_path, state, batch_size=13, model=None, **options):
    runner = Runner(
        model=model or model_cfg(), work_dir=str(tmp_path),
        test_dataloader=dict(
            dataset=dataset('test', SIZE), num_workers=0,
            batch_size=batch_size,
            sampler=dict(type='DefaultSampler', shuffle=False)),
        test_evaluator=dict(type='Accuracy'),
        test_cfg=dict(type='AdversarialTestLoop', **options),
        default_scope='mmpretrain', log_level='WARNING',
        experiment_name=f'adversarial_{next(counter)}')
    runner.model.load_state_dict(state)
    return runner


def by_hand(state, eps, step, num_steps, starts):
    """PuzzleMix's protocol, image by image, in float32 as there."""
    model = MODELS.build(model_cfg())
    model.load_state_dict(state)
    model.eval()
    mean, std = model.data_preprocessor.mean, model.data_preprocessor.std
    wrong = 0
    data = dataset('test', SIZE)
    for n in range(SIZE):
        x0 = data[n]['inputs'][None].float()
        label = data[n]['data_samples'].gt_label
        x = starts(n, x0)
        for _ in range(num_steps):
            x = x.detach().requires_grad_()
            logits = model((x - mean) / std, mode='tensor')
            F.cross_entropy(logits, label).backward()
            x = x + step * x.grad.sign()
            x = (x0 + (x - x0).clamp(-eps, eps)).clamp(0, 255)
        with torch.no_grad():
            wrong += int(model((x - mean) / std).argmax() != label)
    return 100 * wrong / SIZE


def test_errors_are_those_of_the_protocol(trained, tmp_path):
    runner = make_runner(tmp_path, trained)
    metrics = runner.test()
    assert set(metrics) == {'clean/error_top1', 'fgsm/error_top1',
                            'pgd/error_top1'}
    same = lambda n, x: x  # noqa: E731
    assert metrics['clean/error_top1'] == pytest.approx(
        by_hand(trained, 0, 0, 0, same), abs=1e-4)  # Accuracy is float32
    assert metrics['fgsm/error_top1'] == pytest.approx(
        by_hand(trained, 8, 8, 1, same), abs=1e-4)

    loop, data = runner.test_loop, dataset('test', SIZE)

    def random_start(n, x):
        noise = torch.rand(x.shape[1:], generator=loop.generator(
            data[n]['data_samples']))
        return (x + 4 * (2 * noise - 1)).clamp(0, 255)

    # one image may sit on the fence: batches sum in another order
    assert metrics['pgd/error_top1'] == pytest.approx(
        by_hand(trained, 4, 2, 20, random_start), abs=100 / SIZE + 1e-4)
    assert 0 < metrics['clean/error_top1'] < metrics['fgsm/error_top1']


def test_the_network_is_left_as_it_was(trained, tmp_path):
    runner = make_runner(tmp_path, trained)
    runner.model.backbone.conv1.weight.requires_grad_(False)
    flags = [p.requires_grad for p in runner.model.parameters()]
    runner.test()
    for key, value in runner.model.state_dict().items():
        assert torch.equal(value, trained[key]), key
    assert all(p.grad is None for p in runner.model.parameters())
    assert [p.requires_grad for p in runner.model.parameters()] == flags
    assert runner.model.data_preprocessor._enable_normalize


@pytest.mark.parametrize('batch_size', [1, SIZE])
def test_images_do_not_depend_on_the_batch(trained, tmp_path, batch_size):
    seen = {}
    for size in 13, batch_size:
        runner = make_runner(tmp_path, trained, size, attacks='pgd')
        attack, kept = runner.test_loop.attack, []

        def keep(*args, attack=attack, kept=kept, **options):
            kept.append(attack(*args, **options))
            return kept[-1]

        runner.test_loop.attack = keep
        runner.test()
        seen[size] = torch.cat(kept)
    # a sign of a gradient that is zero but for rounding may flip
    differs = (seen[13] != seen[batch_size]).float().mean()
    assert differs < 1e-3
    images = torch.stack([item['inputs'] for item in dataset('test', SIZE)])
    distance = (seen[13] - images).abs()
    assert distance.max() == 4 and distance.mean() > 2  # the ball of PGD


def test_a_seed_gives_other_starts(trained, tmp_path):
    sample = dataset('test', SIZE)[3]['data_samples']
    draws = []
    for seed in 0, 0, 1:
        loop = make_runner(tmp_path, trained, seed=seed).test_loop
        draws.append(torch.rand(4, generator=loop.generator(sample)))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    del sample.sample_idx
    with pytest.raises(ValueError, match='meta_keys'):
        loop.generator(sample)


def test_attacks_can_be_given_in_full(trained, tmp_path):
    none = dict(eps=0., step=1., num_steps=2, random_start=False)
    metrics = make_runner(tmp_path, trained, attacks=dict(
        nothing=none)).test()
    assert metrics['nothing/error_top1'] == metrics['clean/error_top1']
    assert ATTACKS['fgsm']['eps'] == 8 and ATTACKS['pgd']['num_steps'] == 20
    with pytest.raises(ValueError, match=r"'fgsm', 'pgd'.*\['cw'\]"):
        make_runner(tmp_path, trained, attacks=['cw']).test()


def test_saturated_networks_are_reported(trained, tmp_path):
    state = copy.deepcopy(trained)
    state['head.fc.weight'] *= 1e4  # softmax is exactly one-hot
    runner = make_runner(tmp_path, state, attacks='fgsm')
    metrics = runner.test()
    assert runner.test_loop.run() == metrics
    log, = tmp_path.rglob('*.log')
    counts = re.findall(r'fgsm left (\d+) images .* is exactly zero',
                        log.read_text())
    # not added up; MMEngine leaves out a warning that it has given before
    assert len(counts) == 1
    assert metrics['fgsm/error_top1'] < 100


@pytest.mark.parametrize('collate', [default_collate, pseudo_collate])
@pytest.mark.parametrize('to_rgb', [False, True])
@pytest.mark.parametrize('to_onehot', [False, True])
def test_pixels_and_normalization_are_the_preprocessor(
        collate, to_rgb, to_onehot):
    model = MODELS.build(model_cfg(to_rgb=to_rgb, to_onehot=to_onehot))
    data = dataset('test', 4)
    batch = [data[n] for n in range(4)]
    for item in batch:
        item['inputs'] = torch.randint(0, 256, (3, 32, 32),
                                       dtype=torch.uint8)
    pixels, samples, normalize = pixels_of(
        collate(copy.deepcopy(batch)), model.data_preprocessor)
    expected = model.data_preprocessor(collate(batch))['inputs']
    assert torch.equal(normalize(pixels), expected)
    assert pixels.dtype == torch.float32
    first = batch[0]['inputs'].flip(0) if to_rgb else batch[0]['inputs']
    assert torch.equal(pixels[0], first.float())
    assert [int(s.gt_label) for s in samples] == [
        int(item['data_samples'].gt_label) for item in batch]


@pytest.mark.parametrize('options, sizes, message', [
    (dict(mean=None, std=None), (32, 32), 'data_preprocessor.mean'),
    (dict(pad_size_divisor=8), (32, 32), 'pad_size_divisor'),
    (dict(), (32, 28), 'images of one size')])
def test_what_has_no_pixels_to_attack_is_refused(options, sizes, message):
    cfg = Config(model_cfg()).data_preprocessor
    cfg.update(options, type='ClsDataPreprocessor')
    preprocessor = MODELS.build(cfg)
    batch = dict(inputs=[torch.zeros(3, n, n) for n in sizes],
                 data_samples=[d['data_samples'] for d in (
                     dataset('test', 2)[n] for n in range(2))])
    with pytest.raises(ValueError, match=message):
        pixels_of(batch, preprocessor)


def test_generators_are_spread():
    """Neighbouring indices and seeds give unrelated starts."""
    from alignmix_mm import AdversarialTestLoop
    loop = AdversarialTestLoop.__new__(AdversarialTestLoop)
    starts = []
    sample = dataset('test', 2)[0]['data_samples']
    for seed, index in itertools.product(range(5), range(20)):
        loop.seed = seed
        sample.set_metainfo(dict(sample_idx=index))
        starts.append(torch.rand(1000, generator=loop.generator(sample)))
    correlation = np.corrcoef(torch.stack(starts).numpy())
    # 4,950 pairs: five standard deviations of 1000^-1/2
    assert abs(correlation - np.eye(100)).max() < 5 / 1000**.5
