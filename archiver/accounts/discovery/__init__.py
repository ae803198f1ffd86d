"""Finding the servers of a mail address: what is known of providers, what a domain says of itself."""
