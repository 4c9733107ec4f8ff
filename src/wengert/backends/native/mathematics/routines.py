
def addresses(engine, routines): return {}
