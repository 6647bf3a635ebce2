"""`bpcompile report`: the log of a run, or of several, as a page.

`log` reads what a trainer has written; `run` is what that says; `chart` draws one chart,
`curves` says which; `page` and `several` make the two kinds of page.
"""
