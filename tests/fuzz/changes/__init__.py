"""Changes to a model that leave the protobuf whole: each a function of a generator of random numbers and the model."""
