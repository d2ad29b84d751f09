"""Draws belong to (seed, rank, iteration of the run)."""
import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub

from alignmix_mm.mixing import draws
from alignmix_mm.mixing.draws import STEP_KEY, draws_of_step


@pytest.fixture
def hub():
    """A run's hub, at no iteration."""
    hub = MessageHub.get_current_instance()
    kept = dict(hub.runtime_info)
    for key in 'iter', STEP_KEY:
        hub.runtime_info.pop(key, None)
    yield hub
    hub.runtime_info.clear()
    hub.runtime_info.update(kept)


def numbers(seed=0):
    """What a step draws: shared and own."""
    found = draws_of_step(seed)
    return found.shared.random(3).tolist(), found.own.random(3).tolist()


def at(hub, iteration, seed=0):
    hub.update_info('iter', iteration)
    return numbers(seed)


def test_follow_the_iteration_and_nothing_before(hub):
    everything = [at(hub, n) for n in range(8)]
    assert len({tuple(own) for _, own in everything}) == 8
    assert len({tuple(shared) for shared, _ in everything}) == 8
    # another method was drawn in between, others drew from torch and numpy
    torch.rand(3)
    np.random.rand(3)
    assert [at(hub, n) for n in (1, 5, 7)] == [
        everything[n] for n in (1, 5, 7)]


def test_resuming_needs_nothing(hub):
    everything = [at(hub, n) for n in range(8)]
    hub.runtime_info.pop(STEP_KEY)  # as if no checkpoint had it
    assert [at(hub, n) for n in range(4, 8)] == everything[4:]
    hub.runtime_info[STEP_KEY] = (3, 2)  # of an earlier step
    assert [at(hub, n) for n in range(4, 8)] == everything[4:]


def test_a_checkpoint_can_hold_the_count(hub):
    at(hub, 3)
    state = hub.state_dict()
    following = numbers()
    hub.load_state_dict(state)
    assert numbers() == following


def test_a_second_call_in_a_step_draws_anew(hub):
    first, second, third = at(hub, 4), numbers(), numbers()
    assert len({tuple(x) for x, _ in (first, second, third)}) == 3
    assert len({tuple(x) for _, x in (first, second, third)}) == 3
    at(hub, 5)
    assert (at(hub, 4), numbers(), numbers()) == (first, second, third)


def test_without_a_run_calls_are_counted(hub):
    found = [numbers() for _ in range(5)]
    assert len({tuple(shared) for shared, _ in found}) == 5
    hub.runtime_info.pop(STEP_KEY)
    assert [numbers() for _ in range(5)] == found


def test_what_ranks_share(hub, monkeypatch):
    def on_rank(rank, torch_seed):
        monkeypatch.setattr(draws, 'get_rank', lambda: rank)
        torch.manual_seed(torch_seed)
        return [at(hub, n) for n in range(4)]

    first, second, seeded = on_rank(0, 7), on_rank(1, 7), on_rank(1, 8)
    for (one, own), (two, other), (three, last) in zip(first, second, seeded):
        assert one == two == three
        assert own != other and other != last and own != last


def test_the_seed_of_the_method_and_that_of_the_run(hub):
    shared, own = at(hub, 2)
    hub.runtime_info.pop(STEP_KEY)
    other_shared, same = at(hub, 2, seed=1)
    assert other_shared != shared and same == own
    torch.manual_seed(torch.initial_seed() + 1)
    hub.runtime_info.pop(STEP_KEY)
    same, other_own = at(hub, 2)
    assert same == shared and other_own != own


def test_nobody_elses_numbers_are_used(hub):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    at(hub, 0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


@pytest.mark.parametrize('seed, torch_seed, rank', [
    (0, 0, 0), (0, 0, 1), (3, 3, 0), (0, 5, 0)])
def test_own_and_shared_numbers_differ(hub, monkeypatch, seed, torch_seed,
                                       rank):
    """Or the weight would tell the mode."""
    monkeypatch.setattr(draws, 'get_rank', lambda: rank)
    torch.manual_seed(torch_seed)
    # at the very first step, numbers that end in zeros are the same seed
    for n in range(1, 6):
        shared, own = at(hub, n, seed)
        assert shared != own, n
