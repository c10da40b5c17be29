#!/bin/sh
# One allocation, one parallel program across it. NODES, CORES (of a node): its size.
set -e
NODES=${NODES:-1} CORES=${CORES:-4} TASKS=$((NODES * CORES))

bourn batch -N$NODES -n$NODES -c$CORES --wrap <<SCRIPT
  bourn run -N$NODES -n$TASKS ${APP:-hostname}
SCRIPT
