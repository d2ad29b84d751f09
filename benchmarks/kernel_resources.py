#!/usr/bin/env python
"""Compile the kernels for a GPU, which is not needed, and report resources.

If a thread needs more than 255 registers, they spill to slow memory: `stack`
counts these bytes. It needs Triton, which includes NVIDIA's assembler and
disassembler.
"""
import argparse
import re
import subprocess
import tempfile
from pathlib import Path

import triton
from measure import write
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from alignmix_mm.ops import _kernels, _kernels_large, _kernels_mix, _triton
from alignmix_mm.ops._dispatch import FUSED_POSITIONS

SIZES = (4, 16, 25, 32, 49, 64, 100, 196, 256)
DTYPES = ('fp32', 'bf16', 'fp16')
Variant = tuple[ASTSource, dict]


def variants(r: int, dtype: str, capability: int) -> dict[str, Variant]:
    """Kernels for maps of ``r`` positions: sources and launch options."""
    tile = _triton.tile_of(r)
    options = dict(num_warps=_triton.WARPS[tile])
    cost = dict(score_ptr='*' + dtype)
    if r > FUSED_POSITIONS:
        return dict(large_plan=(
            _source(_kernels_large.large_plan_kernel, cost,
                    dict(R=r, RP=tile, ROWS=_triton.ROWS), ('col_stride', )),
            dict(**options, num_stages=1)))
    size = dict(R=r, RP=tile)
    plan = _kernels.plan_kernel, size, ('col_stride', )
    found = dict(plan=(_source(plan[0], cost, *plan[1:]), options),
                 collect=(_source(_kernels_mix.collect_kernel,
                                  dict(grad_ptr='*' + dtype,
                                       out_ptr='*' + dtype),
                                  dict(BATCH=128,
                                       BLOCK=_triton.COLLECT_BLOCK)),
                          dict(num_warps=4)))
    options = dict(num_warps=_triton.PRODUCT_WARPS[tile])
    maps = dict.fromkeys(('x_ptr', 'y_ptr', 'out_ptr'), '*' + dtype)
    for suffix, flags in {
            '': dict(SWAP=False, CHANNELS_LAST=False),
            ' channels_last, swap': dict(SWAP=True,
                                         CHANNELS_LAST=True)}.items():
        for name, block in dict(
                gram=_triton.GRAM_BLOCK,
                mix=_triton.mix_block(tile, divmod(capability, 10))).items():
            kernel = getattr(_kernels_mix, f'{name}_kernel')
            found[name + suffix] = (
                _source(kernel, maps, dict(**size, **flags, BLOCK=block)),
                options)
    return found


def _source(kernel: triton.JITFunction, types: dict, constants: dict,
            unit: tuple[str, ...] = ()) -> ASTSource:
    """A kernel for contiguous tensors; the strides `unit` are 1."""
    known = {'lam_ptr': '*fp32', 'perm_ptr': '*i64', 'plan_ptr': '*fp32',
             'sums_ptr': '*fp32', 'part_ptr': '*fp32', 'cost_ptr': '*fp32',
             'scale': 'fp32', 'relaxation': 'fp32',
             **types, **dict.fromkeys(constants, 'constexpr')}
    names = kernel.arg_names
    signature = {name: known.get(name, 'i32') for name in names}
    # as PyTorch allocates: pointers and counts are multiples of 16
    aligned = {(n, ): [['tt.divisibility', 16]] for n, name in enumerate(names)
               if name.endswith('_ptr') or name in ('channels', 'size')}
    signature.update(dict.fromkeys(unit, 'constexpr'))
    return ASTSource(kernel, signature,
                     {**constants, **dict.fromkeys(unit, 1)}, aligned)


def resources(source: ASTSource, options: dict, capability: int) -> dict:
    """Compile a kernel and read the resources of one program.

    Args:
        source (ASTSource): The kernel.
        options (dict): Launch options.
        capability (int): Compute capability, 90 for Hopper.

    Returns:
        dict: Warps, registers and stack bytes per thread, shared bytes.
    """
    compiled = triton.compile(
        source, target=GPUTarget('cuda', capability, 32),
        options={**options, **_triton.FUSION})
    with tempfile.NamedTemporaryFile(suffix='.cubin') as file:
        file.write(compiled.asm['cubin'])
        file.flush()
        report = subprocess.run(
            [_tool('cuobjdump'), '--dump-resource-usage', file.name],
            capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r'(REG|STACK|SHARED):(\d+)', report))
    return dict(warps=options['num_warps'], registers=int(found['REG']),
                stack=int(found['STACK']),
                shared=max(int(found['SHARED']), compiled.metadata.shared))


def _tool(name: str) -> str:
    folder = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin'
    return str(folder / name)


def table(capability: int = 90, sizes: tuple = SIZES,
          dtypes: tuple = DTYPES) -> dict:
    """Resources of every kernel, size and dtype."""
    return {
        f'{name} r={r} {dtype}': resources(source, options, capability)
        for dtype in dtypes for r in sizes
        for name, (source, options) in variants(r, dtype, capability).items()
    }


def main() -> None:
    """Compile, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--capability', type=int, default=90,
                        help='compute capability, 90 for H100 and H200')
    parser.add_argument('--name', help='name of the JSON file')
    args = parser.parse_args()
    rows = table(args.capability)
    for name, row in rows.items():
        print(f'{name:<30}', *(f'{key} {value:>6}'
                               for key, value in row.items()), flush=True)
    print(write(args.name or f'kernels_sm{args.capability}',
                dict(triton=triton.__version__, kernels=rows)))


if __name__ == '__main__':
    main()
