"""`magiclink import`: users of another system, by its own export."""
