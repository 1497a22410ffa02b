#!/bin/bash
# Judges a class in 50 parts as a Slurm array, then puts the parts together.
#
#   labkit grade --template slurm > grade.sh     then set the two folders, and:
#   sbatch grade.sh
#   labkit merge "$OUT"/part-* --out "$OUT"/all  when all parts are done
#
# A part that was cut short goes on where it was when it is submitted again: sbatch --array=7 grade.sh
#SBATCH --job-name=labkit-grade
#SBATCH --array=1-50
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=02:00:00
set -eu
CLASS=${CLASS:-$HOME/class}
OUT=${OUT:-$HOME/results}
PARTS=${PARTS:-${SLURM_ARRAY_TASK_MAX:-50}}
PART=$SLURM_ARRAY_TASK_ID
labkit grade "$CLASS" --out "$OUT/part-$PART" --shard "$PART/$PARTS" -j "${SLURM_CPUS_PER_TASK:-2}" ${LABKIT_OPTIONS:-}
