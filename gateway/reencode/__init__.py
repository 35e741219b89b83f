"""Re-encoding in processes of their own: a codec that a hostile object brings down takes no node with it."""
