"""`bpcompile build`: specs and what becomes of each, once or as often as they change."""
