"""GradBench's evals, each a module of NumPy functions and their derivatives."""
