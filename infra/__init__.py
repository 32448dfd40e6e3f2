"""What every process needs and no domain knows: settings, database, feeds, HTTP, auth, clock, supervision."""
