"""The rigs: what `scripts/bench` measures, and where it writes the results.

Read `targets` (the goals) and `forwarding` (how a rate is taken) first. A run is never a test: a busy machine makes the
figures worse but fails nothing. What fails a run is a frame that was lost, dropped unexpectedly or translated wrongly.
"""
