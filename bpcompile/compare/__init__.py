"""What differs between two networks, or between two targets of one.

`difference` holds what every format reads, `command` the command line.
"""
