"""Two limbs over days: how much each is used, how evenly, and whether that changes.

Read in this order: `counts` and `posture` (what a second shows), `measure` (seconds of a wearer), `ledger` (hours and
days), `figures` (ratios with intervals), `change` (is it a change?), `watch` (all of it, once a tick).
"""
