import pytest
import torch
from commands import python
from sinkhorn_oracle import made_up_maps, report


@pytest.mark.process
def test_every_line_is_ok():
    lines = [line for line in python('tools/verify_sinkhorn.py').splitlines()
             if line.endswith('ok')]
    assert len(lines) == 2 + len(made_up_maps())


def test_a_wrong_plan_is_a_failure(monkeypatch, capsys):
    def uniform(cost, eps, return_info=False, solver='annealed'):
        plan = torch.full_like(cost, 1 / cost.shape[2])
        info = type('Info', (), dict(col_violation=torch.zeros(1)))
        return (plan, info) if return_info else plan

    monkeypatch.setattr('sinkhorn_oracle.assignment', uniform)
    a, b = made_up_maps()['normal 16']
    assert not report('uniform', a, b, 0.1, 1e-2)
    assert 'FAIL' in capsys.readouterr().out
