"""Mixing methods as pure functions: tensors in, new tensors out."""
from ... import _lazy

_EXPORTS = _lazy.exports(
    comixup=('comixup_compatibility', 'comixup_costs', 'comixup_mix',
             'comixup_objective', 'comixup_penalty'),
    comixup_solver=('comixup_relabel', ),
    comixup_sweeps=('comixup_assign', ),
    puzzle_solver=('puzzle_masks', ),
    puzzle_terms=('puzzle_costs', 'puzzle_energy'),
    puzzle_transport=('puzzle_mix', 'puzzle_plan'))

__all__ = sorted(_EXPORTS)
__getattr__ = _lazy.loader(__name__, _EXPORTS)
