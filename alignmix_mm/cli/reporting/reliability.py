"""Make the chart of calibration."""
from .records import RunRecord
from .traces import SYMBOLS, Chart, trace


def reliability(runs: list[RunRecord]) -> list[Chart]:
    """Make the reliability diagram of all runs that have a table.

    Args:
        runs (list[RunRecord]): The runs.

    Returns:
        list[Chart]: One chart; empty if no run has two bins to draw.
    """
    data = [dict(x=[0, 1], y=[0, 1], mode='lines', line=dict(dash='dash'),
                 hoverinfo='skip', meta={})]
    errors = []
    for n, run in enumerate(runs):
        if run.table is None:
            continue
        count = run.table.count[filled := run.table.count > 0]
        data.append(trace(
            runs, n, run.table.conf[filled].tolist(),
            run.table.acc[filled].tolist(), mode='lines+markers',
            text=[f'{number:,} samples' for number in count.tolist()],
            marker=dict(symbol=SYMBOLS[n % len(SYMBOLS)], opacity=.8, size=(
                4 + 16 * (count / count.sum())**.5).tolist())))
        errors.append(f'{run.name}: ECE {100 * run.table.ece:.2f} %, '
                      f'OE {100 * run.table.oe:.2f} %, '
                      f'{run.table.count.sum():,} samples '
                      f'({run.table_source})')
    if not any(len(line['x']) > 1 for line in data[1:]):
        return []
    both = dict(range=[-.03, 1.05])
    axes = dict(xaxis=dict(both, title=dict(text='confidence')), yaxis=both)
    return [Chart(
        'Reliability: accuracy against confidence',
        'On the dashed line, accuracy equals confidence. Larger points have '
        'more samples. ' + '; '.join(errors) + '.', '; '.join(errors),
        dict(data=data, layout=axes, smooth=False, logarithmic=False))]
