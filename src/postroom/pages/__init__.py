"""What a person's browser fetches: attachments through their links, and the few pages that explain themselves."""
