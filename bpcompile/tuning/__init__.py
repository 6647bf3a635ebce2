"""`bpcompile tune`: trials of many variants of a spec, chosen by Optuna."""
