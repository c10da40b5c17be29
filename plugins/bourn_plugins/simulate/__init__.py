"""`bourn simulate`: a workload on made-up resources in virtual time, under the scheduler of an instance."""
