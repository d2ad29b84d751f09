import subprocess
import sys

import torch
from conftest import ROOT
from verify_sinkhorn import made_up_maps, report


def test_every_line_is_ok():
    result = subprocess.run(
        [sys.executable, 'tools/verify_sinkhorn.py'], cwd=ROOT,
        capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [line for line in result.stdout.splitlines()
             if line.endswith('ok')]
    assert len(lines) == 2 + len(made_up_maps())


def test_a_wrong_plan_is_a_failure(monkeypatch, capsys):
    def uniform(cost, eps, return_info=False, solver='annealed'):
        plan = torch.full_like(cost, 1 / cost.shape[2])
        info = type('Info', (), dict(col_violation=torch.zeros(1)))
        return (plan, info) if return_info else plan

    monkeypatch.setattr('verify_sinkhorn.assignment', uniform)
    a, b = made_up_maps()['normal 16']
    assert not report('uniform', a, b, 0.1, 1e-2)
    assert 'FAIL' in capsys.readouterr().out
