"""How many jobs a tree of instances gets through: brokers, shell hosts and CPUs as servers."""
