"""The rigs: what `scripts/bench` measures, and where it writes what came of it.

Read `targets` (what is aimed at) and `forwarding` (how a rate is taken) first. A run is never a test: a busy machine makes
figures worse and nothing fail. What fails a run is a frame that was lost, dropped without reason or translated wrongly.
"""
