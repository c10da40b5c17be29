"""PMIx for parallel programs whose MPI library wants it, as Open MPI: `-o pmi=pmix`.

The PMIx library brings its own threads and its own opinion of when to abort a process. So it is loaded into a
process of its own, one for each job and node: `server`. What it says and wants travels over a socket to the
shell host (`plugin`), which exchanges data with the job's other nodes.
"""
