#!/usr/bin/env bash
# Everything that is to be known about a GPU: the tests of the kernel, its
# times, training steps, and training against the torch path. A stage that
# fails does not stop the next ones.
set -euo pipefail

usage() {
    cat >&2 <<'END'
usage: gpu.sh [--dry-run] [--only PATTERN] FOLDER

FOLDER           holds a folder of images for each of CIFAR-10's classes
--only PATTERN   stages to run: tests, transport, step_r50, step_r50_bf16,
                 step_r18, step_r18_bf16, depth_r50_bf16, train
                 (a pattern: 'step*')
--dry-run        try the chain with tiny sizes on the CPU, where the kernel
                 runs in Triton's interpreter; its results are removed
PYTHON           (environment) the interpreter, default: python
FEATURES         (environment) maps, default: work_dirs/features.npz
END
    exit 2
}

dry_run=false only='*' folder=
while (($#)); do
    case $1 in
    --dry-run) dry_run=true ;;
    --only) only=${2:?--only needs a pattern} && shift ;;
    -*) usage ;;
    *) folder=$1 ;;
    esac
    shift
done
[[ -n $folder ]] || usage
[[ -d $folder ]] || { echo "$folder is no folder." >&2; exit 2; }
folder=$(cd "$folder" && pwd)

python=${PYTHON:-python}
features=${FEATURES:-work_dirs/features.npz}
[[ $python != */* ]] || python=$(cd "$(dirname "$python")" && pwd)/${python##*/}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}

# arguments of each stage; STAGE_tiny are those of the dry run
transport=(--device cuda --converge)
transport_tiny=(--device cpu --converge --pairs 2 --rounds 1 --no-compile)
step=(--device cuda)
step_tiny=(--device cpu --batch 4 --rounds 1)
size_r50_tiny=(--size 64)
train=(--device cuda)
train_tiny=(--device cpu --batch 4 --steps 2 --per-class 10)

if $dry_run; then
    export TRITON_INTERPRET=1 CUDA_VISIBLE_DEVICES=
    trap 'rm -f benchmarks/results/trial_*' EXIT
    transport=("${transport_tiny[@]}")
    step=("${step_tiny[@]}")
    train=("${train_tiny[@]}")
elif ! "$python" -c 'import sys, torch
sys.exit(not torch.cuda.is_available())'; then
    echo 'There is no CUDA device. --dry-run tries the chain on the CPU.' >&2
    exit 1
fi

summary=() status=0

# stage NAME COMMAND...: run it and keep how it ended
stage() {
    local name=$1 start=$SECONDS verdict=ok
    shift
    # shellcheck disable=SC2053
    [[ $name == $only ]] || return 0
    printf '\n== %s: %s\n' "$name" "${*##*/}"
    "$@" || { verdict=FAILED && status=1; }
    summary+=("$(printf '%-15s %-6s %5d s' "$name" "$verdict" \
        $((SECONDS - start)))")
}

# benchmark NAME FILE ARGUMENTS...: a stage whose dry run gets a name of its own
benchmark() {
    local name=$1 file=$2
    shift 2
    ! $dry_run || set -- "$@" --name "trial_$name"
    stage "$name" "$python" "benchmarks/$file" "$@"
}

r50=(--config r50_imagenet "${step[@]}")
! $dry_run || r50+=("${size_r50_tiny[@]}")
r18=(--config r18_cifar10 "${step[@]}")

if [[ ! -f $features ]]; then
    echo "$features is missing, transport will fail. Make it with: $python" \
        'benchmarks/features.py --cifar10 FOLDER --imagenet FOLDER' \
        "--out $features"
fi
stage tests "$python" -m pytest tests/test_ops -q -m 'not slow'
benchmark transport transport.py --features "$features" "${transport[@]}"
benchmark step_r50 step.py "${r50[@]}"
benchmark step_r50_bf16 step.py "${r50[@]}" --amp bf16 --profile
benchmark step_r18 step.py "${r18[@]}"
benchmark step_r18_bf16 step.py "${r18[@]}" --amp bf16
benchmark depth_r50_bf16 depth.py "${r50[@]}" --amp bf16
benchmark train train.py --images "$folder" "${train[@]}"

printf '\n== summary\n'
((${#summary[@]})) || { echo "No stage is called $only." && status=1; }
printf '%s\n' "${summary[@]}"
exit $status
