"""What may a connection cost before its sender is known? (deadlines, memory, refusals, peers)"""
