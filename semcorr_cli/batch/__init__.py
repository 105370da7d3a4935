"""Many jobs, nothing lost: manifests become jobs, workers do them, a journal remembers what is done.

A job is what one command line of a verb says. This room knows no verb: it is handed a `Form`, which says what a job of
the verb may hold, and the name of what runs one in a worker's process.
"""
