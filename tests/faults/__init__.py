"""`./dev faults`: the vendors' traffic, one fault after another amid it, and whether anything acknowledged was lost.

`catalogue` says what breaks, `ground` what it breaks, `traffic` who sends meanwhile; `rounds` plays one fault, `verdict`
judges what is left, `report` shows; `soak` breaks nothing and watches what the processes hold.
"""
