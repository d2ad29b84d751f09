"""What the log says of mixing, computed again from what was seen."""
import json
import math
import time

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from saliency_method import ThreeBySaliency
from small_run import small_config, write_images

from alignmix_mm import MixLogHook
from alignmix_mm.cli.reporting.scalars import read_scalars
from alignmix_mm.ops import assignment, pairwise_cost


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp('images'))


class Listener(Hook):
    """Keep what the hook has to report."""

    priority = 'VERY_HIGH'

    def __init__(self):
        self.steps = []

    def before_train(self, runner):
        model = runner.model
        model.data_preprocessor.register_forward_hook(self.keep)
        self.scores = None
        model.head.register_forward_hook(self.keep_scores)

    def keep(self, module, args, output):
        if len(args) == 2 and args[1]:
            plan = getattr(output['inputs'], 'plan', None)
            self.mode = plan.tag if plan else 'other'
            self.samples = output['data_samples']

    def keep_scores(self, module, args, output):
        if module.training:
            self.scores = output.detach()

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None):
        accuracy = None
        if self.scores is not None:
            right = self.scores.argmax(1)
            accuracy = 100 * sum(
                float(sample.gt_score[k])
                for sample, k in zip(self.samples, right)) / len(right)
        loss = float(outputs['loss'].detach())
        self.steps.append((self.mode, loss, accuracy))
        self.scores = None


def train(images, folder, interval=1, augments=None, hooks=(), **changes):
    cfg = small_config(images, folder, epochs=3, **changes)
    if augments is not None:
        cfg.model.train_cfg = dict(augments=augments)
    cfg.custom_hooks = [dict(type='MixLogHook', interval=interval)]
    cfg.experiment_name = f'run_{time.time_ns()}'
    runner = Runner.from_cfg(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    runner.train()
    lines = next(folder.glob('*/vis_data/scalars.json')).read_text()
    return runner, [json.loads(line) for line in lines.split('\n') if line]


def test_losses_and_accuracies_are_those_of_the_modes(images, tmp_path):
    listener = Listener()
    runner, lines = train(images, tmp_path, hooks=[listener], **{
        'train_dataloader.batch_size': 3})
    steps = listener.steps
    assert len(steps) == 3 * 8 and len({mode for mode, *_ in steps}) == 6
    scalars = runner.message_hub.log_scalars
    for mode in {mode for mode, *_ in steps}:
        values, counts = scalars[f'train/loss_{mode}'].data
        assert list(values) == [loss for m, loss, _ in steps if m == mode]
    values, _ = scalars['train/mixed_acc'].data
    # float32 sums of three weights
    assert list(values) == pytest.approx(
        [acc for *_, acc in steps if acc is not None], abs=1e-4)
    assert len(values) < len(steps)  # none for clean batches
    logged = [line for line in lines if 'loss' in line]
    for line, (mode, *_) in zip(logged, steps):
        assert f'loss_{mode}' in line and 'share_feat' not in line
    shares = [line for line in lines if any('share' in k for k in line)]
    assert [line['step'] for line in shares] == list(range(1, 25))
    # a report takes them for steps of training, not for validations
    scalars = read_scalars(tmp_path.glob('*/vis_data/scalars.json'))
    assert len(scalars.training['clean_acc']) == 24
    assert (scalars.iteration, scalars.epoch) == (24, 3)
    assert not any('share' in name for name in scalars.validation)
    for mode in {mode for mode, *_ in steps}:
        expected = 100 * sum(m == mode for m, *_ in steps) / 24
        assert shares[-1][f'share_{mode}'] == pytest.approx(expected)
    assert all(0 <= line['clean_acc'] <= 100 for line in shares)
    aligned = [line for line in shares if 'plan_error' in line]
    assert len(aligned) == sum(mode in ('embed', 'feat', 'feat_swap')
                               for mode, *_ in steps)
    for line in aligned:
        assert 0 <= line['plan_error'] < 1e-2
        assert 0 <= line['plan_entropy'] < 1


def test_the_accuracy_is_the_mean_since_the_line_before(images, tmp_path):
    """Lines after the 3rd and 6th of 8 steps; measurements in between."""
    listener = Listener()
    _, lines = train(images, tmp_path, interval=5, hooks=[listener], **{
        'train_dataloader.batch_size': 3,
        'default_hooks.logger.interval': 3})
    logged = {line['step']: line['mixed_acc'] for line in lines
              if 'mixed_acc' in line}
    expected = {}
    for start in range(0, 24, 8):  # the rest of an epoch has no line
        for first, last in (start, start + 3), (start + 3, start + 6):
            seen = [accuracy for *_, accuracy in listener.steps[first:last]
                    if accuracy is not None]
            if seen:
                expected[last] = sum(seen) / len(seen)
    assert len(expected) >= 5 and len(set(expected.values())) > 2
    assert {step: logged[step] for step in expected} == pytest.approx(
        expected, abs=1e-4)


def test_it_changes_nothing(images, tmp_path):
    states = []
    for name, interval in ('rare', 10**6), ('often', 1):
        runner, _ = train(images, tmp_path / name, interval)
        states.append(runner.model.state_dict())
    assert all(torch.equal(states[0][key], states[1][key])
               for key in states[0])


def test_others_are_left_alone(images, tmp_path):
    _, lines = train(images, tmp_path, augments=[dict(type='CutMix',
                                                      alpha=1.)])
    assert not any('share' in key or key.startswith('loss_')
                   for line in lines for key in line)


def test_the_entropy_and_the_error_are_those_of_the_plan(images, tmp_path):
    """By the definition, from maps that a hook on the neck saw."""
    cfg = small_config(images, tmp_path, **{'model.train_cfg': dict(
        _delete_=True, augments=[dict(type='AlignMix', modes='feat_swap')])})
    cfg.experiment_name = f'run_{time.time_ns()}'
    model = Runner.from_cfg(cfg).model.train()
    seen = []
    model.backbone.layer4.register_forward_hook(
        lambda module, args, output: seen.append(output))
    inputs = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    from mmpretrain.structures import DataSample
    batch = model.data_preprocessor(dict(
        inputs=inputs, data_samples=[DataSample().set_gt_label(0)] * 5), True)
    alignment = model.measure_alignment(batch['inputs'])
    x, plan = seen[0], batch['inputs'].plan
    cost = pairwise_cost(x[plan.labels.perm].flatten(2), x.flatten(2))
    R, info = assignment(cost, return_info=True)
    torch.testing.assert_close(alignment.R, R)
    assert alignment.grid == tuple(x.shape[2:])
    torch.testing.assert_close(alignment.info.col_violation,
                               info.col_violation)
    p = R.double().clamp(min=1e-300)
    entropy = -(p * p.log()).sum(2).mean(1) / math.log(R.shape[2])
    torch.testing.assert_close(alignment.entropy.double(), entropy,
                               atol=1e-5, rtol=0)


def test_nothing_is_measured_without_alignment(images, tmp_path):
    _, lines = train(images, tmp_path, **{
        'model.neck.align': False, 'model.train_cfg': dict(
            _delete_=True, augments=[dict(type='AlignMix', modes='feat')])})
    assert not any('plan_error' in line for line in lines)
    assert any('clean_acc' in line for line in lines)


class AlwaysTheFirst(Hook):
    """Let a network predict the first class, and count its images."""

    def before_train(self, runner):
        self.shares = []
        with torch.no_grad():
            runner.model.head.fc.weight.zero_()
            runner.model.head.fc.bias.copy_(torch.tensor([1., 0, 0]))

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None):
        labels = torch.cat([s.gt_label for s in data_batch['data_samples']])
        self.shares.append(100 * float((labels == 0).float().mean()))


@pytest.mark.parametrize('samples', [6, 4])
def test_clean_accuracy_is_that_of_the_images(images, tmp_path, samples):
    """Whatever is made of them, and however many."""
    counter = AlwaysTheFirst()
    _, lines = train(images, tmp_path, augments=[
        dict(type=ThreeBySaliency.__name__, samples=samples)],
        hooks=[counter], **{'optim_wrapper.optimizer.lr': 0.})
    logged = [line['clean_acc'] for line in lines if 'clean_acc' in line]
    assert logged == pytest.approx(counter.shares)
    assert len(set(logged)) > 1


def test_bad_intervals_are_named():
    with pytest.raises(ValueError, match='`interval`.*0'):
        MixLogHook(interval=0)
