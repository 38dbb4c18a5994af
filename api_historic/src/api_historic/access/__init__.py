"""The routes of access: signing in, one's own tokens, and what administrators do."""
