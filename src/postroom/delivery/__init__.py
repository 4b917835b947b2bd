"""How it gets out: the queue, the worker, the composer, the SMTP client and the policy of retries."""
