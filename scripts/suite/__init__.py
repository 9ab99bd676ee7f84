"""Every check there is, one after another: what `scripts/test` runs.

`steps` names them, `tally` counts what they say.
"""
