"""Critical pathways: contributions of neurons, selection, the masked network."""
