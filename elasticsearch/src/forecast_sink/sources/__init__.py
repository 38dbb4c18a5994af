"""What each index is filled from: the store's rows, as documents."""
