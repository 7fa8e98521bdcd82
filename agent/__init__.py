"""Veille's agent: scores movement on a gateway and publishes what looks unusual, how sure it is, and why."""
