"""The engine: the reverse walk over a graph with a rule set, and the gradient graph made with it."""
