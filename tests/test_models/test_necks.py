import pytest
import torch
from mmpretrain.registry import MODELS

from alignmix_mm.mixing import alignmix_plan
from alignmix_mm.models import AlignMixNeck, LinearEmbedding

PLAN = alignmix_plan('feat', torch.tensor([.3, .6]), torch.tensor([1, 0]))


def make(**options):
    options = dict(embed=dict(type='LinearEmbedding', in_channels=6 * 16,
                              out_channels=5), **options)
    return MODELS.build(dict(type='AlignMixNeck', **options))


def test_without_a_plan_it_is_the_embedding():
    neck, x = make(), torch.randn(2, 6, 4, 4)
    out, = neck((x, ))
    expected = neck.embed.fc(x.flatten(1) / 4)  # sqrt of 16 positions
    torch.testing.assert_close(out, expected)
    assert isinstance(neck, AlignMixNeck)


def test_align_size_pools_in_training_and_evaluation():
    neck, x = make(align_size=4), torch.randn(2, 6, 7, 7)
    pooled = torch.nn.functional.adaptive_avg_pool2d(x, 4)
    assert torch.equal(neck((x, ))[0], make_like(neck)((pooled, ))[0])
    assert neck((x, ), PLAN)[0].shape == (2, 5)


def make_like(neck):
    other = make()
    other.load_state_dict(neck.state_dict())
    return other


def test_a_bare_tensor_is_accepted():
    neck, x = make(), torch.randn(2, 6, 4, 4)
    assert torch.equal(neck(x)[0], neck((x, ))[0])


def test_options_reach_the_transport(monkeypatch):
    seen = {}

    def record(a, b, lam, **transport):
        seen.update(transport)
        return a

    monkeypatch.setattr('alignmix_mm.mixing.aligned.align_and_mix', record)
    make(eps=.5, solver='log', num_iters=7, tol=.1, end='col',
         backend='torch')((torch.randn(2, 6, 4, 4), ), PLAN)
    assert seen == dict(eps=.5, solver='log', num_iters=7, tol=.1, end='col',
                        backend='torch', perm=PLAN.labels.perm, swap=False)
    seen.clear()
    make(align=False)((torch.randn(2, 6, 4, 4), ), PLAN)
    assert not seen  # no transport at all


@pytest.mark.parametrize('options, message', [
    (dict(eps=-1), 'eps'), (dict(backend='cuda'), 'backend'),
    (dict(solver='lp'), 'solver'), (dict(align_size=0), 'align_size'),
    (dict(tol=.1), "solver='log'"), (dict(num_iters=-1), 'num_iters')])
def test_bad_options_fail_at_build(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_wrong_feature_size_is_named():
    with pytest.raises(ValueError, match='in_channels=96.*512 features'):
        LinearEmbedding(96, 5)((torch.zeros(2, 32, 4, 4), ))
