"""What do the played vendors answer? One module for each vendor; the shapes are those that the vendors publish.

`exchange` has requests and replies, `records` what a played vendor knows, `faults` what can go wrong, `control` the calls under /play/.
"""
