"""`bpcompile explain`: the equations of one network, with the code beside them.

`model` has formulas as trees, `notation` reads them as comments have them; `content`
says what is explained, the modules `as_...` print it.
"""
