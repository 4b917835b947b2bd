"""What is said: drafts and their audience, the frozen roll, attachments, submission and reports. The rules stand here, once."""
