"""Fingerprints of functions and values, at two depths.

`shallow` covers a function's own code and the state bound to it: shown to people, who want to know if it was edited.
`deep` covers everything the function reaches: helpers, globals, closures, defaults; for cache keys.  Both walk values
with `values`, which numbers the functions, classes and modules it meets.  `own_code` describes each of these by itself,
`units` by everything it reads.
"""
