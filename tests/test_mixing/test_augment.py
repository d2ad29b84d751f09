import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmpretrain.models import RandomBatchAugment
from mmpretrain.registry import BATCH_AUGMENTS

from alignmix_mm.mixing import AlignMix, MixBatch
from alignmix_mm.mixing.draws import STEP_KEY

DRAWS = 4000
SIGMAS = 4  # one test in 16,000 fails by chance; seeds are fixed anyway


@pytest.fixture(autouse=True)
def first_step():
    MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)


def draws(augment, n, batch_size=8):
    return [augment.draw(torch.empty(batch_size)) for _ in range(n)]


@pytest.mark.parametrize('modes, probs', [
    (('input', 'embed', 'feat', 'feat_swap'), None),
    (('input', 'embed', 'feat', 'feat_swap', 'clean'), None),
    (('input', 'feat'), [0.9, 0.1]),
])
def test_modes_have_their_probabilities(modes, probs):  # T8
    plans = draws(AlignMix(modes=modes, probs=probs), DRAWS)
    for mode, p in zip(modes, probs or [1 / len(modes)] * len(modes)):
        share = np.mean([plan.tag == mode for plan in plans])
        assert abs(share - p) < SIGMAS * np.sqrt(p * (1 - p) / DRAWS)


@pytest.mark.parametrize('alpha', [0.2, 1.0, 2.0])
def test_lambda_is_beta_distributed(alpha):  # T8
    plans = draws(AlignMix(alpha), DRAWS)
    lam = torch.stack([plan.labels.lam for plan in plans])
    assert lam.dtype == torch.float32 and lam.shape == (DRAWS, 8)
    assert (lam >= 0).all() and (lam <= 1).all()
    variance = 1 / (4 * (2 * alpha + 1))
    error = SIGMAS * np.sqrt(variance / lam.numel())
    assert abs(lam.mean() - 0.5) < error
    assert abs(lam.var() - variance) < 0.05 * variance
    # samples of one batch are independent
    correlation = np.corrcoef(lam.numpy().T) - np.eye(8)
    assert np.abs(correlation).max() < SIGMAS / np.sqrt(DRAWS) * 1.5


def test_lambda_per_batch_is_one_number():
    for plan in draws(AlignMix(lam_per='batch'), 20):
        lam = plan.labels.lam
        assert lam.shape == () and lam.dtype == torch.float32


def test_permutations_are_uniform():  # T8
    counts = dict.fromkeys(itertools.permutations(range(3)), 0)
    for plan in draws(AlignMix(), DRAWS, batch_size=3):
        assert plan.labels.perm.dtype == torch.int64
        counts[tuple(plan.labels.perm.tolist())] += 1
    error = SIGMAS * np.sqrt(DRAWS * 1 / 6 * 5 / 6)
    assert all(abs(n - DRAWS / 6) < error for n in counts.values()), counts


def test_mode_lambda_and_permutation_are_independent():
    plans = draws(AlignMix(), DRAWS)
    fixed = np.array([(plan.labels.perm == torch.arange(8)).sum()
                      for plan in plans])
    means = np.array([plan.labels.lam.mean().item() for plan in plans])
    for mode in AlignMix().modes:
        chosen = np.array([plan.tag == mode for plan in plans])
        lam = means[chosen]
        assert abs(lam.mean() - .5) < SIGMAS * lam.std() / np.sqrt(len(lam))
        # a random permutation has one fixed point on average, variance 1
        assert abs(fixed[chosen].mean() - 1) < SIGMAS / np.sqrt(len(lam))


def same(plan, other):
    one, two = plan.labels, other.labels
    return (plan.tag == other.tag and torch.equal(one.lam, two.lam)
            and torch.equal(one.perm, two.perm))


def test_draws_follow_the_seed_and_continue_after_resume():
    hub = MessageHub.get_current_instance()
    first = draws(AlignMix(), 6)
    state = hub.state_dict()  # what a checkpoint holds
    rest = draws(AlignMix(), 6)  # another instance continues
    assert not any(map(same, rest, first))
    hub.runtime_info.pop(STEP_KEY, None)
    torch.randn(10)  # others may draw from torch: it does not matter
    assert all(map(same, draws(AlignMix(), 6), first))
    augment = AlignMix()
    augment.draw(torch.empty(8))  # resuming happens after building
    hub.load_state_dict(state)
    assert all(map(same, draws(augment, 6), rest))
    torch.manual_seed(1)
    hub.runtime_info.pop(STEP_KEY, None)
    others = draws(AlignMix(), 6)
    assert not any(map(same, others, first))


def test_ranks_share_mode_and_place_and_nothing_else(monkeypatch):
    def on_rank(rank):
        monkeypatch.setattr('alignmix_mm.mixing.draws.get_rank',
                            lambda: rank)
        torch.manual_seed(rank)  # as with diff_rank_seed=True
        MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
        return draws(AlignMix(), 50)

    for one, two in zip(on_rank(0), on_rank(1)):
        assert (one.tag, one.place) == (two.tag, two.place)
        assert not torch.equal(one.labels.lam, two.labels.lam)


def test_ranks_with_one_seed_draw_differently(monkeypatch):
    plans = []
    for rank in range(2):
        monkeypatch.setattr('alignmix_mm.mixing.draws.get_rank',
                            lambda rank=rank: rank)
        MessageHub.get_current_instance().runtime_info.pop(STEP_KEY, None)
        plans.append(AlignMix().draw(torch.empty(64)))
    assert not torch.equal(plans[0].labels.lam, plans[1].labels.lam)
    assert not torch.equal(plans[0].labels.perm, plans[1].labels.perm)


@pytest.mark.parametrize('mode', ['input', 'embed', 'feat', 'feat_swap'])
def test_labels_are_mixed_here_and_pixels_in_input_mode(mode):
    images, scores = torch.randn(4, 3, 8, 8), torch.eye(4).long()
    before = images.clone()
    batch, mixed = AlignMix(modes=mode)(images, scores)
    assert isinstance(batch, MixBatch) and batch.plan.tag == mode
    assert torch.equal(images, before)  # nothing in place
    torch.testing.assert_close(mixed, batch.plan.labels(scores.float()))
    torch.testing.assert_close(mixed.sum(1), torch.ones(4))
    expected = batch.plan.labels(images) if mode == 'input' else images
    torch.testing.assert_close(batch.images, expected)


def test_clean_mixes_nothing():
    images, scores = torch.randn(4, 3, 8, 8), torch.eye(4)
    batch, labels = AlignMix(modes='clean')(images, scores)
    assert torch.equal(batch.images, images) and torch.equal(labels, scores)


def test_is_registered_and_composes_with_others():
    augment = BATCH_AUGMENTS.build(dict(type='AlignMix', alpha=1.0))
    assert isinstance(augment, AlignMix) and augment.alpha == 1.0
    drawer = RandomBatchAugment(
        [dict(type='AlignMix'), dict(type='CutMix', alpha=1.0)], [0.5, 0.3])
    kinds = [type(drawer(torch.zeros(4, 3, 8, 8), torch.eye(4))[0])
             for _ in range(60)]
    assert set(kinds) == {MixBatch, torch.Tensor}


def test_small_batches_are_reported_once(mm_log):
    augment = AlignMix()
    for _ in range(2):
        augment(torch.zeros(1, 3, 4, 4), torch.eye(1))
    assert mm_log.text.count('drop_last=True') == 1


@pytest.mark.parametrize('options, message', [
    (dict(alpha=0), '`alpha` to be > 0, but got 0'),
    (dict(alpha='2'), "but got '2'"),
    (dict(modes=('input', 'feature')), "['input', 'feature']"),
    (dict(modes=()), 'to be some of'),
    (dict(probs=[0.5, 0.5]), 'to be 4 numbers'),
    (dict(modes=('input', 'feat'), probs=[0.9, 0.2]), 'sum to 1'),
    (dict(modes=('input', 'feat'), probs=[1.2, -0.2]), '>= 0'),
    (dict(mode_seed=-1), '`mode_seed` to be an integer >= 0, but got -1'),
    (dict(mode_seed=.5), 'but got 0.5'),
    (dict(lam_per='pixel'), "'sample' or 'batch'"),
])
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        AlignMix(**options)


def test_labels_must_be_one_hot():
    with pytest.raises(ValueError, match='one-hot'):
        AlignMix()(torch.zeros(4, 3, 8, 8), torch.arange(4))


DRAW = """
import torch.distributed as dist, torch
from alignmix_mm import AlignMix
dist.init_process_group('gloo')
torch.manual_seed(0)
augment = AlignMix()
plans = [augment.draw(torch.empty(5)) for _ in range(20)]
rows = [[p.tag, p.labels.lam.tolist(), p.labels.perm.tolist()] for p in plans]
both = [None, None]
dist.all_gather_object(both, rows)
one, two = both
assert [row[0] for row in one] == [row[0] for row in two]
assert len({row[0] for row in one}) > 1
assert all(a[1] != b[1] for a, b in zip(one, two))
assert any(a[2] != b[2] for a, b in zip(one, two))
print('agree on modes alone')
dist.destroy_process_group()
"""


@pytest.mark.process
def test_two_real_processes(tmp_path):
    script = tmp_path / 'draw.py'
    script.write_text(DRAW)
    result = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2',
         '--standalone', str(script)],  # on a free port
        capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.count('agree on modes alone') == 2
