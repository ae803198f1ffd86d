"""Where mail comes from and, on restore, goes to: one module or package for each kind."""
