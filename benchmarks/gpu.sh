#!/usr/bin/env bash
# What is to be known about a GPU, in the order of its worth, within a time
# that is set beforehand: tests of the kernels, parity on real maps, times,
# training steps, training on two backends, accuracy. It installs and
# downloads nothing. A stage that fails or runs out of its time does not stop
# the next ones; each result is written as soon as it is there.
set -euo pipefail

usage() {
    cat >&2 <<'END'
usage: gpu.sh [--dry-run] [--only PATTERN] [--seconds N] FOLDER

FOLDER           CIFAR-100 as train/CLASS/*.png and test/CLASS/*.png, or
                 its folder train
--only PATTERN   stages to run: tests, parity, transport, rivals, step_r50,
                 step_r18, train, accuracy (a pattern: 'step*')
--seconds N      ends within N seconds, default: 540; `accuracy` gets the rest
--dry-run        try the chain with tiny sizes on the CPU, where the kernel
                 runs in Triton's interpreter; its results are removed
PYTHON           (environment) the interpreter, default: python
FEATURES         (environment) maps, default: work_dirs/features.npz
OUT              (environment) a folder: results are copied there too
EPOCHS           (environment) of stage accuracy, default: 30
END
    exit 2
}

dry_run=false only='*' folder='' seconds=540
while (($#)); do
    case $1 in
    --dry-run) dry_run=true ;;
    --only) only=${2:?--only needs a pattern} && shift ;;
    --seconds) seconds=${2:?--seconds needs a number} && shift ;;
    -*) usage ;;
    *) folder=$1 ;;
    esac
    shift
done
[[ -n $folder ]] || usage
# CIFAR-100 has a class "train", but none is called "test"
[[ -d $folder/test || ! -d $folder/../test ]] || folder=$folder/..
for split in train test; do
    [[ -d $folder/$split ]] || { echo "$folder has no folder $split." >&2; exit 2; }
done
folder=$(cd "$folder" && pwd)

python=${PYTHON:-python}
features=${FEATURES:-work_dirs/features.npz}
[[ $python != */* ]] || python=$(cd "$(dirname "$python")" && pwd)/${python##*/}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1

# arguments of each stage; STAGE_tiny are those of the dry run
parity=(--device cuda)
parity_tiny=(--device cpu --pairs 1)
transport=(--device cuda --converge --no-compile)
transport_tiny=(--device cpu --converge --pairs 2 --rounds 1 --no-compile)
step=(--device cuda --amp bf16)
step_tiny=(--device cpu --batch 4 --rounds 1)
size_r50_tiny=(--size 64)
train=(--device cuda --per-class 100)
train_tiny=(--device cpu --batch 4 --steps 2 --per-class 1)
accuracy=(--device cuda --epochs "${EPOCHS:-30}")
accuracy_tiny=(--device cpu --epochs 1 --seeds 1 --per-class 2 --batch 64 --jobs 1 --amp off)
workers=(-n auto)

if $dry_run; then
    export TRITON_INTERPRET=1 CUDA_VISIBLE_DEVICES=
    trap 'rm -f benchmarks/results/trial_*' EXIT
    parity=("${parity_tiny[@]}")
    transport=("${transport_tiny[@]}")
    step=("${step_tiny[@]}")
    train=("${train_tiny[@]}")
    accuracy=("${accuracy_tiny[@]}")
    workers=()
elif ! "$python" -c 'import sys, torch
sys.exit(not torch.cuda.is_available())'; then
    echo 'There is no CUDA device. --dry-run tries the chain on the CPU.' >&2
    exit 1
fi
"$python" -c 'import xdist' 2>/dev/null || workers=()

summary=() status=0
marker=$(mktemp)

# stage NAME SECONDS COMMAND...: run it for so long at most
stage() {
    local name=$1 limit=$2 start=$SECONDS left=$((seconds - SECONDS)) code=0 verdict=ok
    shift 2
    # shellcheck disable=SC2053
    [[ $name == $only ]] || return 0
    ((limit <= left)) || limit=$left
    printf '\n== %s, at most %d s: %s\n' "$name" "$limit" "${*##*/}"
    if ((limit < 5)); then
        code=124
    else
        timeout --signal INT --kill-after 5 "$limit" "$@" || code=$?
    fi
    ((code == 0)) || { verdict=FAILED && status=1; }
    ((code != 124)) || verdict=TIMEOUT
    summary+=("$(printf '%-10s %-7s %5d s' "$name" "$verdict" $((SECONDS - start)))")
    [[ -z ${OUT:-} ]] || find benchmarks/results -type f -newer "$marker" -exec cp {} "$OUT" \;
}

# benchmark NAME SECONDS FILE ARGUMENTS...: a stage with a name of its own in a dry run
benchmark() {
    local name=$1 limit=$2 file=$3
    shift 3
    if $dry_run; then
        limit=1000
        set -- "$@" --name "trial_$name"
    fi
    stage "$name" "$limit" "$python" "benchmarks/$file" "$@"
}

! $dry_run || seconds=10000
r50=(--config r50_imagenet --rounds 3 "${step[@]}")
! $dry_run || r50+=("${size_r50_tiny[@]}")
r18=(--config r18_cifar10 "${step[@]}")
rivals=(--config r18_cifar10 --rounds 3 "${step[@]}")

if [[ ! -f $features ]]; then
    echo "$features is missing, parity and transport will fail. Make it with: $python" \
        'benchmarks/features.py --cifar10 FOLDER --imagenet FOLDER' \
        "--out $features"
fi
stage tests 120 "$python" -m pytest tests/test_ops/test_{kernels,fused_kernels}.py tests/test_ops -q -rf --tb short --durations 15 \
    -m 'not slow and not process' "${workers[@]}" -p no:cacheprovider
benchmark parity 30 parity.py --features "$features" "${parity[@]}"
benchmark transport 75 transport.py --features "$features" "${transport[@]}"
benchmark rivals 45 rivals.py "$folder/train" "${rivals[@]}"
benchmark step_r50 70 step.py "${r50[@]}"
benchmark step_r18 40 step.py "${r18[@]}"
benchmark train 120 train.py --config r18_cifar100 --images "$folder/train" "${train[@]}"
benchmark accuracy 10000 accuracy.py --images "$folder" "${accuracy[@]}"

rm -f "$marker"
printf '\n== summary\n'
((${#summary[@]})) || { echo "No stage is called $only." && status=1; }
printf '%s\n' "${summary[@]}"
exit $status
