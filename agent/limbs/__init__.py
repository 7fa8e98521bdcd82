"""Two limbs over days: how much each is used, how evenly, and whether that changes.

Read in this order: `counts` and `posture` (what a second of an arm shows), `measure` (its seconds); `contact` and
`steps` (when feet land), `gait` (seconds of legs and trunk); `columns` and `ledger` (hours and days), `figures` and
`legs` (ratios with intervals), `change` (is it a change?), `person` and `walker` (what is remembered), `watch` (all of
it, once a tick).
"""
