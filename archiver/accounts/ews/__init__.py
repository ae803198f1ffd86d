"""Exchange by Exchange Web Services. All use of exchangelib is in this room, which is imported on use."""
