"""The goals of this project, and whether a result meets them."""

# By kind of device and set. For a method: how many times faster ours is.
# ott_converged: the same for a plan of equal quality. error: error of our
# mixed map. memory_floor: our time divided by that of touching each map once.
GOALS = {
    'cpu': {
        'S16': dict(authors=10, pot=6, geomloss=3.5, compiled=1.2, ott=0.6,
                    ott_converged=50, error=1e-4),
        'S49': dict(authors=20, pot=4, geomloss=3.5, compiled=1.1, ott=0.9,
                    ott_converged=100, error=1e-3),
        'S64': dict(authors=35, pot=12, geomloss=5, compiled=1.4, ott=0.9,
                    ott_converged=50, error=4e-3),
        'S196': dict(authors=60, pot=7, geomloss=3.5, compiled=1, ott=0.6,
                     ott_converged=80, error=2e-3),
    },
    'cuda': {
        'S16': dict(authors=150, torch=20, memory_floor=3, error=1e-4),
        'S49': dict(authors=80, torch=10, memory_floor=3, error=1e-3),
        'S64': dict(authors=100, torch=10, memory_floor=3, error=4e-3),
        'S196': dict(authors=15, torch=2, error=2e-3),
    },
}
AT_MOST = ('error', 'memory_floor')


def judge(result: dict, goals: dict[str, float]) -> dict[str, dict]:
    """Say which goals hold; those that were not measured are left out.

    Args:
        result (dict): Result of ``transport.measure`` for one set.
        goals (dict[str, float]): Goals of this set.

    Returns:
        dict[str, dict]: ``goal``, ``value`` and ``met``, by name of the goal.
    """
    values = _values(result)
    return {
        key: dict(goal=goal, value=values[key],
                  met=(values[key] <= goal if key in AT_MOST else
                       values[key] >= goal))
        for key, goal in goals.items() if key in values}


def describe(goals: dict[str, dict]) -> str:
    """One line for the goals of ``judge``."""
    return ', '.join(
        f'{key} {goal["value"]:.2g} (goal {"<=" if key in AT_MOST else ">="} '
        f'{goal["goal"]:g}) {"met" if goal["met"] else "MISSED"}'
        for key, goal in goals.items())


def _values(result: dict) -> dict[str, float]:
    ours = result['ours']
    values = {key: record['times_ours']
              for key, record in result['methods'].items() if key != ours}
    values.update(error=result['methods'][ours]['error'],
                  memory_floor=result['memory']['ours_to_floor'])
    for key, record in result.get('converged', {}).items():
        values[f'{key}_converged'] = record['times_ours']
    return values
