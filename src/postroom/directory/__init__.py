"""Who there is: people, groups, institutional addresses, API clients and their tokens, and how they are imported."""
