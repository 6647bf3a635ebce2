"""`bpcompile convert`: trained weights as files that other programs read, and back."""
