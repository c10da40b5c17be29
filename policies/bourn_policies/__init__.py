"""The stock policies: for queues, matching, priority and distribution."""
