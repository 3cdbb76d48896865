"""A simulated world with its own time, to compare settled verdicts with the ground truth.

Entry point: `run.simulate`, which `manage.py simulate` calls. The engine, the settling, the
scheduling and the safe times are those of the product: rules of their own do not belong here.
"""
