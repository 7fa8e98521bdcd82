"""Veille's agent: scores accelerometer streams on a gateway and publishes what looks unusual, how sure it is, and why."""
