"""Random combinations that are killed end as if they had not been."""
import pytest
from commands import python
from conftest import ROOT


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize('first', range(0, 20, 5))
def test_killed_runs_end_as_whole_ones(first):
    """`python tests/soak.py --count 200` runs more of them."""
    output = python(ROOT / 'tests' / 'soak.py', '--first', first, '--count', 5,
                    PYTHONPATH=f'{ROOT}:{ROOT}/tests')
    assert '5 combinations, 0 of them differ' in output
    assert output.count('same') == 5
