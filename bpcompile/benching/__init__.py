"""`bpcompile bench`: how long a step takes here, and on how many ranks it pays."""
