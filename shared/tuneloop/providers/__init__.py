"""Who trains and serves: one port, an adapter per kind of provider, and the catalog of what is known of them."""
