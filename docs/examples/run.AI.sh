#!/bin/sh
# An ensemble in an instance of its own: as many members as it has cores.
members=$(bourn resource list -n -s all -o '{ncores}')
bourn submit --cc=1-$members --wait --quiet sh -c 'echo learning member {cc}'
echo "learning: $members members on $(bourn resource list -n -s all -o '{nnodes}') nodes"
