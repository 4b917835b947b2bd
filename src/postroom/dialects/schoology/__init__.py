"""The Schoology dialect: private messages of the Schoology REST API v1 (docs/schoology.md)."""
