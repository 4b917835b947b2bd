"""The peers, each a module of its own that makes one ``Peer`` (``shape``) or more; ``programs`` run in their own environment."""
