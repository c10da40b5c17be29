"""The stock plugins: each stands alone and is registered by an entry point."""
