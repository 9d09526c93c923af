"""Who is known: allow, block, watch; exact, CIDR, prefix, range; expiry."""
