"""ROAR and KAR (Hooker et al., 2019): pixels are removed by rank, and the network is trained anew without them."""
