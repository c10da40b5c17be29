#!/bin/sh
# One allocation divided among instances, each with its own scheduler; the outer script waits for all.
# NODES, CORES and GPUS (of a node): the size of the allocation, of which docking takes the cores of all nodes, three
# quarters of the nodes simulate, and a quarter learns. run.dock.sh, run.MD.sh and run.AI.sh stand in this folder.
set -e
here=$(dirname "$(readlink -f "$0")")
NODES=${NODES:-4} CORES=${CORES:-4} GPUS=${GPUS:-1}
ONE=$(((NODES + 3) / 4)) THREE=$(((NODES * 3 + 3) / 4))

bourn batch -N$NODES -n$NODES -c$CORES -g$GPUS --wrap <<SCRIPT
  bourn batch -N$NODES -n$NODES -c$((CORES / 2)) $here/run.dock.sh
  bourn batch -N$THREE -n$THREE -c$((CORES / 2)) -g$GPUS $here/run.MD.sh
  bourn batch -N$ONE -n$ONE -c$((CORES / 2)) -g$GPUS $here/run.AI.sh
  bourn queue drain
SCRIPT
