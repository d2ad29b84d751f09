"""Labels of a grid by one minimum cut (Ishikawa, 2003), on the host.

All images of a batch are parts of one graph and share only the terminals. The
label of a block is a chain of L - 1 nodes; node a is on the side of the source
if the label is larger than a.
"""
import numpy as np

# The sum of the two capacities of a pair of arcs has to fit into int32.
LARGEST = 2**30 - 1


def minimum_cut(unary: np.ndarray, down: np.ndarray,
                right: np.ndarray) -> np.ndarray:
    """Minimise the sum of unaries and of w (l_p - l_q)^2.

    Here w is the weight of the edge between blocks p and q, and l are labels.
    SciPy's maximum flow takes only int32 and silently wraps larger numbers.
    So the flow is computed twice: for the capacities rounded down, then for
    the magnified remainders. Together they resolve about 2^-47 of the sum of
    the capacities at a block, as float64 does for their sum.

    Args:
        unary (np.ndarray): Cost of each label, ``(B, n, n, L)``, float64.
        down (np.ndarray): Weights between rows, ``(B, n - 1, n)``, float64,
            not negative.
        right (np.ndarray): Weights between columns, ``(B, n, n - 1)``,
            float64, not negative.

    Returns:
        np.ndarray: Labels ``(B, n, n)``, int64.
    """
    shape = (*unary.shape[:3], unary.shape[3] - 1)
    tails, heads = _arcs(shape)
    order = np.lexsort((heads, tails))
    indptr = np.searchsorted(tails[order], np.arange(np.prod(shape) + 3))
    residual = _capacities(unary, down, right)[order]
    graph = (heads[order], indptr)
    per_image = len(tails) // len(unary)  # no cut has more arcs
    flow = _flow(residual, graph)
    residual = (residual - flow) * (LARGEST // per_image)
    residual -= _flow(residual, graph)
    return _labels(residual >= 1, graph, shape)


def _arcs(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Tails and heads of all arcs; the second half reverses the first."""
    source = np.prod(shape)
    chain = np.full((*shape[:3], shape[3] + 2), source, np.int32)
    chain[..., -1] = source + 1
    nodes = chain[..., 1:-1] = np.arange(source).reshape(shape)
    pairs = [(chain[..., :-1], chain[..., 1:])]
    for one, other in ((nodes[:, :-1], nodes[:, 1:]),
                       (nodes[:, :, :-1], nodes[:, :, 1:])):
        pairs.append(np.broadcast_arrays(one[..., None], other[..., None, :]))
    tails, heads = (np.concatenate([end.ravel() for end in ends])
                    for ends in zip(*pairs))
    return np.concatenate((tails, heads)), np.concatenate((heads, tails))


def _capacities(unary: np.ndarray, down: np.ndarray,
                right: np.ndarray) -> np.ndarray:
    """Capacities of ``_arcs``, scaled so that each image uses the full range.

    A cut through link a of a chain means label a; the arcs back cannot be
    cut. Level a of one block and level b of its neighbour are joined by w
    both ways if a = b, else by 2 w from the higher: labels that differ by d
    cost w d^2.
    """
    count = unary.shape[3] - 1
    links = unary - unary.min(-1, keepdims=True)
    around = links.sum(-1)
    for weight, one, other in ((down, np.s_[:, :-1], np.s_[:, 1:]),
                               (right, np.s_[:, :, :-1], np.s_[:, :, 1:])):
        around[one] += weight * count**2 * 2
        around[other] += weight * count**2 * 2
    most = around.max((1, 2))
    scale = LARGEST / np.where(most > 0, most, 1)[:, None, None, None]
    back = np.full_like(links, LARGEST)
    back[..., 0] = back[..., -1] = 0  # of the terminals
    table = 2 * np.tri(count, k=-1) + np.eye(count)  # [a, b]: from a to b
    forward, backward = [links * scale], [back]
    for weight in (down, right):
        weight = (weight[..., None] * scale)[..., None]
        forward.append(weight * table)
        backward.append(weight * table.T)
    return np.concatenate([part.ravel() for part in forward + backward])


def _flow(capacities: np.ndarray,
          graph: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """A maximum flow through capacities that are rounded down."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow
    size = len(graph[1]) - 1
    whole = np.minimum(capacities, LARGEST).astype(np.int32)
    matrix = csr_array((whole, *graph), shape=(size, size))
    return maximum_flow(matrix, size - 2, size - 1).flow.data


def _labels(open_arcs: np.ndarray, graph: tuple[np.ndarray, np.ndarray],
            shape: tuple[int, ...]) -> np.ndarray:
    """Count the nodes of each chain that the source still reaches."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order
    heads, indptr = graph
    size = len(indptr) - 1
    starts = np.concatenate(([0], np.cumsum(open_arcs)))[indptr]
    matrix = csr_array((np.ones(starts[-1], np.int8), heads[open_arcs],
                        starts), shape=(size, size))
    reached = np.zeros(size, bool)
    reached[breadth_first_order(matrix, size - 2,
                                return_predecessors=False)] = True
    return reached[:-2].reshape(shape).sum(-1)
