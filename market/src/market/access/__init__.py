"""Access: who may use the two APIs, for what, and how often.

`check` is the middleware both APIs install; `scopes`, `tokens` and `principal` are pure;
`token_store`, `users`, `sessions`, `lockout`, `usage` and `audit` read and write the store;
`gate` remembers who was let in for a few seconds, `meter` counts what they use.
"""
