def run(events):
    raise NotImplementedError
