"""Exchange Online by Microsoft Graph (https://learn.microsoft.com/graph/api/overview), over HTTPS with JSON."""
