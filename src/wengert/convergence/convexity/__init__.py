"""Is a function convex? Proven by rules of curvature, refuted by three points, or undecided."""
